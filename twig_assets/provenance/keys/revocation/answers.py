"""What a list or a responder says of a certificate, and how it is fetched from one that is asked over the network."""

import http.client
import time
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

SECONDS = 5.0
"""A responder that takes longer counts as away. It is asked before every batch, so nobody waits for long."""

SILENCE = 60.0
"""A server that did not answer is not asked again for so many seconds by the same process."""

MAX_BYTES = 32 * 2**20
"""A longer answer is none: the lists of large issuers have a few MiB."""

SKEW = timedelta(minutes=5)
"""By so much the clocks of two machines may differ."""


class NoAnswerError(RuntimeError):
    """A list or a responder that says nothing which can be relied on; the message says why."""


@dataclass(frozen=True)
class Answer:
    """What one source says of one certificate.

    Attributes:
        source: Who says it, for a person, such as `the responder http://ocsp.example`.
        status: `good`; `revoked`; or `unknown`, where a responder knows no such certificate.
        revoked_at: When it was revoked.
    """

    source: str
    status: Literal["good", "revoked", "unknown"]
    revoked_at: datetime | None = None


def is_address(source: str) -> bool:
    """Whether it is asked over the network: an address by HTTP, and not the path of a file."""
    return urlsplit(source).scheme in ("http", "https")


def fetched(url: str, body: bytes | None = None, kind: str = "") -> bytes:
    """What a server answers.

    Args:
        url: Its address.
        body: What is posted; None to get.
        kind: The content type of `body`.

    Raises:
        NoAnswerError: If it does not answer within SECONDS, with an error, or with more than MAX_BYTES.
    """
    if (failed := _away.get(url)) and time.monotonic() - failed[0] < SILENCE:
        raise NoAnswerError(failed[1])
    try:
        request = urllib.request.Request(url, body, {"Content-Type": kind} if body is not None else {})
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            content: bytes = answer.read(MAX_BYTES + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = f"does not answer ({getattr(error, 'reason', None) or error})"
        _away[url] = time.monotonic(), why
        raise NoAnswerError(why) from None
    if len(content) > MAX_BYTES:
        raise NoAnswerError(f"answers with more than {MAX_BYTES} bytes")
    return content


# Address -> when it failed, by a clock that nobody sets, and why.
_away: dict[str, tuple[float, str]] = {}
