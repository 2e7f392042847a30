"""What every request has to pass: the right host, no foreign page behind it, and headers that keep answers apart."""

from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from twig_assets.guard import foreign_page, unknown_host

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
        refused = unknown_host(request.headers, self._hosts, "TWIG_DESK_HOSTS")
        refused = refused or foreign_page(request.method, request.headers)
        if refused is not None:
            return PlainTextResponse(f"{refused.reason}\n", refused.status)
        response = await call_next(request)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.url.path.startswith("/report/"):
            response.headers["Content-Security-Policy"] = _REPORT_CSP
        if not request.url.path.startswith(("/static/", "/picture/")):
            response.headers["Cache-Control"] = "no-store"
        return response
