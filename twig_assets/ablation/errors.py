"""The errors of edits and of computing them."""


class EditError(ValueError):
    """An edit cannot be read, or does not fit the model or the other edits."""


class AnchorError(ValueError):
    """Nothing can be learned from the captions or images of the anchor."""


class TrainingError(RuntimeError):
    """A training came to nothing; the message says what to change or where it can go on."""
