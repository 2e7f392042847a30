"""What goes wrong when something is signed or read."""


class CredentialError(RuntimeError):
    """A file that cannot be signed, or keys that cannot sign; the message says what to do."""


class TimeStampError(CredentialError):
    """The server of time stamps does not answer, or not as it should."""
