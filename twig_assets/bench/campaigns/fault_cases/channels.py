"""Faults of the channels by which people are told: a dead one holds up no other, and nobody is told twice."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from unittest.mock import patch

from twig_assets.bench.campaigns.fault_cases.case import NotInjectedError, named, problems_left, tick
from twig_assets.bench.campaigns.undisturbed import UndisturbedRuns
from twig_assets.bench.campaigns.workspace import Workspace, with_environment
from twig_assets.resources import notifier
from twig_assets.sensors import notifications


@contextmanager
def _receiving(status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """A web server that answers everything with a status: its address, and the titles of what it got."""
    titles: list[str] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802 - the library's name
            titles.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["title"])
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", titles
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def webhook_refuses(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """Nothing listens at the webhook's address."""
    return _broken(undisturbed, workspace, TWIG_NOTIFY_WEBHOOK="http://127.0.0.1:1/")


def webhook_fails(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The webhook answers that it has an error."""
    with _receiving(500) as (address, _):
        return _broken(undisturbed, workspace, TWIG_NOTIFY_WEBHOOK=address)


def webhook_hangs(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The webhook accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        return _broken(undisturbed, workspace, TWIG_NOTIFY_WEBHOOK=f"http://127.0.0.1:{server.getsockname()[1]}/")


def webhook_has_no_host(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The webhook's address names no host that there is."""
    return _broken(undisturbed, workspace, TWIG_NOTIFY_WEBHOOK="http://nowhere.invalid/")


def webhook_is_no_address(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The webhook's address is mistyped so that no request can be made of it."""
    return _broken(undisturbed, workspace, TWIG_NOTIFY_WEBHOOK="http://[::1/hook")


def mail_refuses(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """Nothing listens where the mail server should be; the webhook works."""
    with _receiving() as (address, titles):
        mail = {"TWIG_NOTIFY_MAIL_TO": "ada@example.org", "TWIG_NOTIFY_SMTP": "127.0.0.1:1"}
        problems = _broken(undisturbed, workspace, TWIG_NOTIFY_WEBHOOK=address, **mail)
        return [*problems, *_each_once(titles)]


def mail_hangs(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The mail server accepts connections and never greets; the webhook works."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server, _receiving() as (address, titles):
        smtp = f"127.0.0.1:{server.getsockname()[1]}"
        mail = {"TWIG_NOTIFY_MAIL_TO": "ada@example.org", "TWIG_NOTIFY_SMTP": smtp}
        problems = _broken(undisturbed, workspace, TWIG_NOTIFY_WEBHOOK=address, **mail)
        return [*problems, *_each_once(titles)]


def mail_goes_to_nobody(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The address of the mail has a line break in it; the webhook works."""
    with _receiving() as (address, titles):
        mail = {"TWIG_NOTIFY_MAIL_TO": "ada@example.org\nBcc: eve@example.org", "TWIG_NOTIFY_SMTP": "127.0.0.1:1"}
        problems = _broken(undisturbed, workspace, TWIG_NOTIFY_WEBHOOK=address, **mail)
        return [*problems, *_each_once(titles)]


def _broken(undisturbed: UndisturbedRuns, workspace: Workspace, **variables: str) -> list[str]:
    """Tick twice while the channel is broken and twice when another stands in its place; compare what was sent."""
    undisturbed.strict_workspace.copy_to(workspace)
    with with_environment(**variables), patch.object(notifier, "TIMEOUT", 1), workspace.entered() as location:
        said = [tick(location, notifications).skip_message or "" for _ in range(2)]
    if not all("webhook: " in line or "mail: " in line for line in said):
        raise NotInjectedError(f"the channel worked: {said}")
    problems = [f"the tick failed: {line}" for line in said if "FAILED" in line]
    with _receiving() as (address, titles):
        mended = {"TWIG_NOTIFY_WEBHOOK": address, "TWIG_NOTIFY_MAIL_TO": "", "TWIG_NOTIFY_SMTP": ""}
        with with_environment(**mended), workspace.entered() as location:
            said = [tick(location, notifications).skip_message or "" for _ in range(2)]
        if "TWIG_NOTIFY_MAIL_TO" not in variables:
            problems += _each_once(titles)
        elif titles:
            problems.append(f"the webhook had carried everything, and got {titles} again")
    problems += [] if "0 messages" in said[-1] else [f"something is still to be sent: {said[-1]}"]
    return [*problems, *problems_left(workspace, undisturbed.strict)]


def _each_once(titles: list[str]) -> list[str]:
    if titles and len(set(titles)) == len(titles):
        return []
    return [f"the webhook got {titles}"]


CHANNEL_FAULTS = named(
    webhook_refuses,
    webhook_fails,
    webhook_hangs,
    webhook_has_no_host,
    webhook_is_no_address,
    mail_refuses,
    mail_hangs,
    mail_goes_to_nobody,
)
