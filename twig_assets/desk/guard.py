"""What every request has to pass: the right host, no foreign page behind it, a bounded size; and safe headers."""

from starlette.exceptions import HTTPException
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
_TOO_MUCH = "This is more than the desk takes; send a smaller file."


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


class SmallBodies:
    """Refuses requests that send more than any form here takes, before they fill memory or disk."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        """Limit what an application is sent.

        Args:
            app: What is guarded.
            most: Bytes of a request's body.
        """
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, and count what it sends: the length that it names need not be true, nor be there."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        named = dict(scope["headers"]).get(b"content-length", b"0")
        if named.isdigit() and int(named) > self._most:
            return await PlainTextResponse(_TOO_MUCH, 413)(scope, receive, send)
        so_far = 0

        async def counted() -> Message:
            nonlocal so_far
            message = await receive()
            so_far += len(message.get("body", b""))
            if so_far > self._most:
                raise HTTPException(413, _TOO_MUCH)
            return message

        return await self._app(scope, counted, send)
