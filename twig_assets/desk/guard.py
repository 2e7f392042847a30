"""What every request has to pass: the right host, no foreign page behind it, and headers that keep answers apart."""

from urllib.parse import urlsplit

from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# The report brings its style along in the page. It runs no script; with another origin than ours, its pages would get
# neither their pictures nor the reader's session.
_REPORT_CSP = (
    "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; "
    "sandbox allow-same-origin"
)
_SAFE = ("GET", "HEAD", "OPTIONS")


class Guard(BaseHTTPMiddleware):
    """Refuses requests by a name that is not ours (DNS rebinding) and changes asked for by other pages."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        """Guard an application.

        Args:
            app: What is guarded.
            hosts: The host names under which it answers, without a port.
        """
        super().__init__(app)
        self._hosts = hosts

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Let a request through, or say why not."""
        host = request.headers.get("host", "")
        if _without_port(host) not in self._hosts:
            return PlainTextResponse("The desk does not answer for this host; TWIG_DESK_HOSTS names others.\n", 421)
        origin = request.headers.get("origin")
        if request.method not in _SAFE and origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return PlainTextResponse("This came from another page, and was not done.\n", 403)
        response = await call_next(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.url.path.startswith("/report/"):
            response.headers["Content-Security-Policy"] = _REPORT_CSP
        if not request.url.path.startswith(("/static/", "/picture/")):
            response.headers["Cache-Control"] = "no-store"
        return response


def _without_port(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdecimal() else host.lower()
