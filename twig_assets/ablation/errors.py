"""What can be wrong with an edit or with making one."""


class EditError(ValueError):
    """An edit that cannot be read, or does not belong to the model it is applied to."""


class AnchorError(ValueError):
    """Anchor captions or images that nothing can be learned from."""


class TrainingError(RuntimeError):
    """A training that came to nothing; the message says where it can go on from."""
