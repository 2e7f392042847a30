"""What was made, from what, and what was decided about it: tables, database, hashes and files."""
