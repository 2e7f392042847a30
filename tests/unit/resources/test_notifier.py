"""Telling people, over real sockets."""

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from twig_assets.resources import NotifierResource

MESSAGE = ("withdrawn", "one line", "all of it\n")


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(json.loads(content))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class _Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as taking one mail needs."""

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline():
            if line.upper().startswith(b"DATA"):
                self.wfile.write(b"354 go on\r\n")
                lines = []
                while (part := self.rfile.readline()) != b".\r\n":
                    lines.append(part)
                self.server.got.append(b"".join(lines).decode())  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 ok\r\n")


def _serve(server: socketserver.TCPServer) -> Iterator[socketserver.TCPServer]:
    server.got = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def hook() -> Iterator[socketserver.TCPServer]:
    server = HTTPServer(("127.0.0.1", 0), _Hook)
    server.status = 200  # type: ignore[attr-defined]
    yield from _serve(server)


@pytest.fixture
def mail() -> Iterator[socketserver.TCPServer]:
    yield from _serve(socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail))


def url(server: socketserver.TCPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/hook"


def test_a_message_reaches_log_webhook_and_mail(hook, mail) -> None:
    logged: list[str] = []
    notifier = NotifierResource(
        webhook=url(hook), mail_to="ann@example.org, bob@example.org", smtp=f"127.0.0.1:{mail.server_address[1]}"
    )
    assert notifier.send(*MESSAGE, logged.append) == {"log": None, "webhook": None, "mail": None}
    assert logged == ["all of it\n"]
    assert hook.got == [{"text": "all of it\n", "title": "one line", "event": "withdrawn"}]
    [letter] = mail.got
    assert "Subject: one line" in letter
    assert "To: ann@example.org, bob@example.org" in letter
    assert "all of it" in letter


def test_a_dead_channel_is_named_and_keeps_the_others_from_nothing(hook, mail) -> None:
    hook.status = 500
    mail.shutdown()
    mail.server_close()
    logged: list[str] = []
    notifier = NotifierResource(webhook=url(hook), mail_to="ann@example.org", smtp="127.0.0.1:1")
    outcomes = notifier.send(*MESSAGE, logged.append)
    assert outcomes["log"] is None
    assert "HTTP Error 500" in str(outcomes["webhook"])
    assert "ConnectionRefusedError" in str(outcomes["mail"])
    assert logged


def test_channels_that_have_carried_it_are_left_out(hook) -> None:
    notifier = NotifierResource(webhook=url(hook))
    assert notifier.send(*MESSAGE, print, done=["log", "webhook"]) == {}
    assert hook.got == []


def test_only_the_log_is_used_unless_more_is_set() -> None:
    assert NotifierResource().channels == ["log"]


@pytest.mark.parametrize(
    ("wrong", "said"), [({"webhook": "file:///etc/passwd"}, "TWIG_NOTIFY_WEBHOOK"), ({"smtp": "localhost"}, "smtp")]
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        NotifierResource(**wrong)
