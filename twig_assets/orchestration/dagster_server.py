"""Dagster behind the guard: `python -m twig_assets.orchestration.dagster_server`.

`dagster dev` opens a port that any page in a browser can send mutations to. Here the same three parts run, and only the
guarded one has a port: the code server listens on a socket in a folder of its own, the daemon listens on nothing, and
the web application runs in this process.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import yaml
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__

from twig_assets.guard import DAGSTER
from twig_assets.orchestration.guarded import serve_guarded
from twig_assets.settings.home import keep_state_private, ui_port

# Instigators and runs that are stored name the location so, as `dagster dev` does.
LOCATION = "twig_assets.definitions"
# How often a page asks for what is new, in milliseconds; that of `dagster dev`.
_POLL_MS = 2000
_LOADS_WITHIN_S = 180.0
_ENDS_WITHIN_S = 20.0


class CodeServerError(RuntimeError):
    """The code server did not come up."""


def main() -> None:
    """Serve Dagster until this process is asked to end."""
    keep_state_private()
    # Paths of sockets must be short, and that of the state folder may be long.
    with tempfile.TemporaryDirectory(prefix="twig-") as folder, dg.DagsterInstance.get() as instance:
        socket = Path(folder) / "code.sock"
        workspace = Path(folder) / "workspace.yaml"
        workspace.write_text(yaml.safe_dump(_workspace(socket)), encoding="utf-8")
        with _kept_up(_code_server(socket)) as code_server:
            _wait_for(socket, code_server)
            with (
                _kept_up(_daemon(workspace)),
                WorkspaceProcessContext(
                    instance, WorkspaceFileTarget(paths=[str(workspace)]), version=__version__, read_only=False
                ) as context,
            ):
                serve_guarded(create_app_from_workspace_process_context(context, "", _POLL_MS), DAGSTER, ui_port())


def _workspace(socket: Path) -> dict[str, object]:
    server = {"socket": str(socket), "location_name": LOCATION, "additional_metadata": {"module_name": LOCATION}}
    return {"load_from": [{"grpc_server": server}]}


def _code_server(socket: Path) -> list[str]:
    server = ["code-server", "start", "--socket", str(socket), "--module-name", LOCATION, "--location-name", LOCATION]
    return [_script("dagster"), *server, "--log-level", "warning"]


def _daemon(workspace: Path) -> list[str]:
    return [_script("dagster-daemon"), "run", "--workspace", str(workspace)]


def _script(name: str) -> str:
    return shutil.which(name, path=os.path.dirname(sys.executable)) or name


class _Kept:
    """A process that is started again when it ends, until it is stopped."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._stopping = threading.Event()
        self.process = subprocess.Popen(command)
        self._watch = threading.Thread(target=self._keep, daemon=True)
        self._watch.start()

    def _keep(self) -> None:
        while not self._stopping.wait(5.0):
            if self.process.poll() is not None:
                print(
                    f"{self._command[0]} ended with status {self.process.returncode}; it is started again", flush=True
                )
                self.process = subprocess.Popen(self._command)

    def stop(self) -> None:
        """Ask it to end, and make it end."""
        self._stopping.set()
        self._watch.join()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def _kept_up(command: list[str]) -> Iterator[_Kept]:
    kept = _Kept(command)
    try:
        yield kept
    finally:
        kept.stop()


def _wait_for(socket: Path, server: _Kept) -> None:
    deadline = time.monotonic() + _LOADS_WITHIN_S
    while not socket.exists():
        if server.process.poll() is not None or time.monotonic() > deadline:
            raise CodeServerError("the code server did not load the definitions; the lines above say why")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
