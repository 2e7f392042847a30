"""Picture files as they lie on disk: what they are, their parts, and their frames."""
