"""Whether an image shows a text."""
