"""The attacker's web server."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class EvilServer:
    """Serves pages, and remembers every path that somebody asked for.

    Attributes:
        port: Of loopback.
        asked: The paths.
    """

    def __init__(self) -> None:
        """Begin to answer."""
        self.asked: list[str] = []
        self._pages: dict[str, bytes] = {}
        evil = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                evil.asked.append(self.path)
                page = evil._pages.get(self.path.partition("?")[0], b"")
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def page(self, html: str) -> str:
        """Serve a page and return its path."""
        path = f"/{uuid.uuid4().hex}"
        self._pages[path] = f"<!doctype html><meta charset=utf-8><body>{html}".encode()
        return path

    def canary(self) -> str:
        """An address that nothing but a successful attack asks for."""
        return f"http://127.0.0.1:{self.port}/canary-{uuid.uuid4().hex}"

    def was_asked(self, address: str) -> bool:
        """Whether somebody asked for it."""
        return any(path in address for path in self.asked if path.startswith("/canary-"))

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def evil_server() -> Iterator[EvilServer]:
    """The attacker's server, until the `with` block ends."""
    server = EvilServer()
    try:
        yield server
    finally:
        server.close()
