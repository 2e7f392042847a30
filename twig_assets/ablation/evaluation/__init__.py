"""Whether an edit removed its target and left its surroundings."""
