"""Keeping passwords out of what is shown: messages, links, logs, pages."""

import re
from urllib.parse import urlsplit, urlunsplit

# Up to the last @ before the address ends: a password may hold the characters that a URL should have encoded.
_IN_ADDRESS = re.compile(r"(?<=://)[^\s'\"<>]*@(?=[^\s'\"<>/@])")
_IN_FIELD = re.compile(
    r"(?i)\b([\w-]*(?:password|passwd|pwd|secret|token|access_key|api_key|signature))(=|%3d)([^\s&'\",;)]+)"
)


def hidden(text: str) -> str:
    """A text without the passwords of the addresses and fields in it.

    >>> hidden("cannot reach postgresql://me:pass@host/db?password=word")
    'cannot reach postgresql://***@host/db?password=***'
    """
    return _IN_FIELD.sub(r"\1\2***", _IN_ADDRESS.sub("***@", text))


def without_credentials(url: str) -> str:
    """An address for a link: without user name and password.

    >>> without_credentials("https://me:pass@mlflow.example/a")
    'https://mlflow.example/a'
    """
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
