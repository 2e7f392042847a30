"""Who sends a request, as far as a browser tells: the name it was sent to, and the page that sent it.

A browser states both truthfully, and a page cannot change it: `Host` (RFC 9110, 7.2), `Origin` (RFC 6454) and
`Sec-Fetch-Site`, `-Mode`, `-Dest` (W3C Fetch Metadata). Programs that are no browsers leave the latter out.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers

READING = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Refusal:
    """Why a request is not answered.

    Attributes:
        status: Of HTTP.
        reason: For a person.
    """

    status: int
    reason: str


def unknown_host(headers: Headers, hosts: tuple[str, ...], variable: str) -> Refusal | None:
    """Refuse a name that is not ours: a page whose name was bound to this address would pass for a page of ours.

    Args:
        headers: Of the request.
        hosts: Names in lower case, without a port.
        variable: The environment variable that adds names.
    """
    named = headers.getlist("host")
    if len(named) == 1 and _without_port(named[0]) in hosts:
        return None
    return Refusal(421, f"Nothing here answers for this host; {variable} names others.")


def foreign_page(method: str, headers: Headers, *, upgrade: bool = False) -> Refusal | None:
    """Refuse what another page asks for, except that a person follows a link from there.

    Another port of this machine is another origin too: whatever is served there has no say here.

    Args:
        method: Of the request.
        headers: Its headers; the host has been checked.
        upgrade: Whether a websocket is asked for.
    """
    link = (
        method == "GET" and headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    )
    if link and not upgrade and "origin" not in headers:
        return None
    refusal = Refusal(403, "This came from another page, and was not done.")
    host = headers.get("host", "").lower()
    if any(urlsplit(origin).netloc.lower() != host for origin in headers.getlist("origin")):
        return refusal
    # "none" is what a person typed or opened from a bookmark, which changes nothing.
    own = ("same-origin", "none") if method in READING else ("same-origin",)
    return refusal if headers.get("sec-fetch-site", "same-origin") not in own else None


def _without_port(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdecimal() else host.lower()
