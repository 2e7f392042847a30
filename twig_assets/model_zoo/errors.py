"""What goes wrong when a model is opened."""


class ModelError(ValueError):
    """A checkpoint is missing, unreadable or of the wrong kind; the message names the file and what to do."""
