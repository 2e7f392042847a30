"""What can be wrong with an edit."""


class EditError(ValueError):
    """An edit that cannot be read, or does not belong to the model it is applied to."""
