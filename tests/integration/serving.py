"""`twig ui` as a process of its own: Dagster's web server and daemon, and MLflow."""

import json
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.conftest import CampaignWorkspace

STARTS_WITHIN = 240


@dataclass(frozen=True)
class Servers:
    """A running `twig ui`."""

    process: subprocess.Popen[str]
    lines: list[str]
    dagster: str
    mlflow: str

    def ask(self, query: str) -> dict[str, Any]:
        """Dagster's answer to a GraphQL query."""
        answer = post(f"{self.dagster}/graphql", {"query": query})
        assert "errors" not in answer, answer
        return answer["data"]


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def marked(mark: str) -> dict[int, str]:
    """Process id -> command line of the processes whose environment holds `mark`, dead ones left out."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


@contextmanager
def served(workspace: CampaignWorkspace, **environment: str) -> Iterator[Servers]:
    """`twig ui` in a workspace; every process of it has TWIG_TEST with the state folder in its environment."""
    ports = {"TWIG_UI_PORT": str(free_port()), "TWIG_MLFLOW_PORT": str(free_port())}
    desk = {"TWIG_DESK_PORT": str(free_port())}
    process = workspace.process(
        "ui",
        "--campaign",
        "tiny",
        "--root",
        str(workspace.root),
        environment={**ports, **desk, "TWIG_TEST": str(workspace.home), **environment},
    )
    lines: list[str] = []
    threading.Thread(target=lambda: lines.extend(process.stdout or []), daemon=True).start()
    try:
        deadline = time.monotonic() + STARTS_WITHIN
        while not any("Ctrl-C ends all of them." in line for line in lines):
            assert process.poll() is None, "".join(lines)
            assert time.monotonic() < deadline, "".join(lines)
            time.sleep(0.2)
        urls = [f"http://127.0.0.1:{port}" for port in ports.values()]
        yield Servers(process, lines, *urls)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(60)
