"""A concept edit as a file: applying, removing, composing and exporting it."""
