"""The guard itself, as ASGI: every request of every kind passes it before the server sees it."""

import asyncio
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twig_assets.guard.door import PAGE_HEADERS, PATH, Door, own_path, page
from twig_assets.guard.origin import READING, Refusal, foreign_page, unknown_host
from twig_assets.guard.rules import LARGEST_BODY, Rules
from twig_assets.guard.settings import GuardSettings

_LARGEST_FORM = 4096
_WRONG_TOKEN_SECONDS = 0.5
_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}
_FRAMES = "frame-ancestors 'self'"


class Guard:
    """Answers in place of a server what must not reach it.

    A request passes if it is sent to a name of ours, comes from no other page, has shown the token where there is one,
    and has a form that the rules allow. Answers lose what would let other pages read them.
    """

    def __init__(self, app: ASGIApp, rules: Rules, settings: GuardSettings) -> None:
        """Guard an application.

        Args:
            app: What is guarded.
            rules: What it may be asked.
            settings: Hosts and token.
        """
        self._app, self._rules, self._hosts = app, rules, settings.hosts
        self._door = Door(settings.token) if settings.token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        refused = unknown_host(headers, self._hosts, "TWIG_UI_HOSTS") or foreign_page("GET", headers, upgrade=True)
        if refused or self._rules.closes(scope["path"]) or (self._door and not self._door.lets_in(headers)):
            # Before it was accepted, this is answered with status 403.
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path, headers = scope["method"], scope["path"], Headers(scope=scope)
        refused = unknown_host(headers, self._hosts, "TWIG_UI_HOSTS") or foreign_page(method, headers)
        if refused is None and self._door:
            if path == PATH:
                await self._at_the_door(self._door, scope, receive, send)
                return
            if not self._door.lets_in(headers):
                await self._asking(scope, headers)(scope, receive, send)
                return
        refused = refused or self._rules.refusal(method, path, scope["query_string"], headers)
        if refused is None and method not in READING and not self._rules.takes_files(path):
            body = await _read(receive, LARGEST_BODY)
            if body is None:
                refused = Refusal(413, f"More than {LARGEST_BODY >> 20} MiB are not taken.")
            elif not body and method != "DELETE":
                refused = Refusal(400, "A request that changes something needs a body.")
            else:
                receive = _replayed(body, receive)
        if refused:
            await PlainTextResponse(f"{refused.reason}\n", refused.status)(scope, receive, send)
            return
        await self._app(scope, receive, _shielded(send))

    def _asking(self, scope: Scope, headers: Headers) -> Response:
        if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            query = scope["query_string"].decode("latin-1")
            wanted = scope["path"] + (f"?{query}" if query else "")
            return HTMLResponse(page(self._rules.name, own_path(wanted), wrong=False), 401, PAGE_HEADERS)
        return PlainTextResponse("The token is needed: Authorization: Bearer, or the page in a browser.\n", 401)

    async def _at_the_door(self, door: Door, scope: Scope, receive: Receive, send: Send) -> None:
        answer: Response = HTMLResponse(page(self._rules.name, "/", wrong=False), 200, PAGE_HEADERS)
        if scope["method"] == "POST":
            body = await _read(receive, _LARGEST_FORM)
            form = parse_qs((body or b"").decode("latin-1"), keep_blank_values=True)
            wanted = own_path(form.get("wanted", ["/"])[0])
            if door.fits(form.get("token", [""])[0]):
                answer = RedirectResponse(wanted, 303, {"Set-Cookie": door.cookie(), "Cache-Control": "no-store"})
            else:
                await asyncio.sleep(_WRONG_TOKEN_SECONDS)
                answer = HTMLResponse(page(self._rules.name, wanted, wrong=True), 403, PAGE_HEADERS)
        await answer(scope, receive, send)


async def _read(receive: Receive, largest: int) -> bytes | None:
    """The whole body; None if it is larger, or the sender has gone."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > largest:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Hand out a body that was read already, and then what else comes."""
    waiting: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _shielded(send: Send) -> Send:
    """Pass answers on with headers by which no other page can read or frame them."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name in {name for name in headers if name.startswith("access-control-")}:
                del headers[name]
            for name, value in _HEADERS.items():
                headers[name] = value
            # Browsers hold a page to all policies that it brings.
            headers.append("Content-Security-Policy", _FRAMES)
        await send(message)

    return sent
