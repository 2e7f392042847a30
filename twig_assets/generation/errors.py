"""What goes wrong when a model is opened."""


class CheckpointError(ValueError):
    """A checkpoint that is missing, unreadable or of a kind that cannot be used here."""


def first_line(error: Exception) -> str:
    """What a library's error says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
