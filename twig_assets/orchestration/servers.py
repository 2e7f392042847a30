"""Dagster's and MLflow's servers and the desk for `twig ui`, all on loopback."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from rich.console import Console, Group
from rich.live import Live

from twig_assets.campaign import campaign_names
from twig_assets.guard import read_settings
from twig_assets.orchestration.dagster_home import prepare_dagster_home
from twig_assets.orchestration.guarded import HOST
from twig_assets.orchestration.report_keeper import ReportKeeper
from twig_assets.orchestration.ui_screen import Server, screen
from twig_assets.reports import counts_of, report_path
from twig_assets.reports.data import Counts
from twig_assets.settings.home import (
    catalog_url,
    desk_port,
    home,
    keep_state_private,
    mlflow_port,
    mlflow_url,
    tracking_uri,
    ui_port,
)

_LARGEST_LOG = 10 << 20
STOP_SECONDS = 30


class PortInUseError(RuntimeError):
    """Another program listens where a server is to be started."""


def serve(root: Path, served: str, console: Console) -> int:
    """Start the servers, show how they are, and stop them on Ctrl-C, on SIGTERM or when one ends.

    What they print goes to files below `logs` in the state folder. The reports of the campaigns are written again as
    things change.

    Args:
        root: The folder of the campaigns.
        served: The names of those that Dagster works on, separated by commas; empty for all.
        console: Where the addresses are shown.

    Returns:
        0 after Ctrl-C, 1 if a server ended by itself.

    Raises:
        PortInUseError: If a port is taken.
    """
    console.print("Starting the desk, MLflow and Dagster; their addresses follow.", highlight=False)
    read_settings()
    keep_state_private()
    prepare_dagster_home()
    folder = home() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    servers = _servers(folder)
    for name, (port, _) in _pages().items():
        if servers[name].log:
            _refuse_taken(port)
    environment = {
        **os.environ,
        "TWIG_CAMPAIGN": served,
        "TWIG_CAMPAIGNS": str(root.absolute()),
    }
    # A shell's background job inherits an ignored SIGINT, and servers that ignore it too could not be stopped.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    with ExitStack() as stack:
        log = stack.enter_context(_log(folder / "report.log"))
        names = served.split(",") if served else campaign_names(root)
        keeper = ReportKeeper(root, names, catalog_url(), log, environment)
        try:
            for name, command in commands(root).items():
                log = stack.enter_context(_log(folder / f"{name.lower()}.log"))
                processes[name] = subprocess.Popen(
                    command, env=environment, start_new_session=True, stdout=log, stderr=log
                )
            return _watch(names, console, servers, processes, keeper)
        except KeyboardInterrupt:
            return 0
        finally:
            # A second Ctrl-C while the servers end would leave them behind.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            stop([*processes.values(), *keeper.processes])


def _watch(
    names: Sequence[str],
    console: Console,
    servers: dict[str, Server],
    processes: dict[str, "subprocess.Popen[bytes]"],
    keeper: ReportKeeper,
) -> int:
    """Show how things are until a server ends; one screen where somebody looks at it, else a line for each event."""
    read: dict[str, tuple[int, Counts | None]] = {}

    def shown() -> Group:
        for name in names:
            path = report_path(name).with_suffix(".json")
            written = path.stat().st_mtime_ns if path.exists() else 0
            if name not in read or read[name][0] != written:
                read[name] = written, counts_of(path)
        return screen({name: counts for name, (_, counts) in read.items()}, servers, home())

    with Live(shown(), console=console, auto_refresh=False) if console.is_terminal else nullcontext() as live:
        untold = list(servers)
        while all(process.poll() is None for process in processes.values()):
            for name, server in servers.items():
                if server.state == "starting" and _answers(name):
                    server.state = "up"
            while untold and servers[untold[0]].state != "starting":
                server = servers[untold.pop(0)]
                if live is None:
                    console.print(f"{server.name}: {server.url}{_elsewhere(server)}", soft_wrap=True, highlight=False)
                if live is None and not untold:
                    console.print(f"Logs: {home() / 'logs'}", soft_wrap=True, highlight=False)
                    console.print("Ctrl-C ends all of them.", highlight=False)
            if not untold:
                keeper.look()
            if live is not None:
                live.update(shown(), refresh=True)
            time.sleep(0.5)
    for name, process in processes.items():
        if process.poll() is not None:
            console.print(f"[red]{name} ended by itself[/]; the end of its log:", highlight=False)
            console.print(_end_of(home() / "logs" / f"{name.lower()}.log"), markup=False, highlight=False)
    return 1


def _elsewhere(server: Server) -> str:
    return "" if server.log else f" ({server.state})"


def _pages() -> dict[str, tuple[int, str]]:
    """Name of each server -> its port, and a page that answers once it is up; in the order in which they are told."""
    return {"MLflow": (mlflow_port(), "health"), "Desk": (desk_port(), "door"), "Dagster": (ui_port(), "server_info")}


def _servers(folder: Path) -> dict[str, Server]:
    servers = {
        name: Server(name, f"http://{HOST}:{port}", log=folder / f"{name.lower()}.log")
        for name, (port, _) in _pages().items()
    }
    if has_own_mlflow():
        servers["MLflow"] = Server("MLflow", mlflow_url(), state="not started here")
    return servers


@contextmanager
def _log(path: Path) -> Iterator[BinaryIO]:
    """A log to append to; one that has grown large is put aside first, in the place of the one put aside before."""
    if path.exists() and path.stat().st_size > _LARGEST_LOG:
        path.replace(path.with_suffix(".log.1"))
    with path.open("ab") as file:
        yield file


def _end_of(path: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])


def commands(root: Path) -> dict[str, list[str]]:
    """The command lines of the desk, of Dagster and, unless a server is named already, of MLflow's.

    They hold no secret: every user of the machine can read them.
    """
    desk = [sys.executable, "-m", "twig_assets.cli", "desk", "--root", str(root.absolute())]
    mlflow, dagster = (
        [sys.executable, "-m", f"twig_assets.orchestration.{name}"] for name in ("mlflow_server", "dagster_server")
    )
    return {"Desk": desk, **({} if has_own_mlflow() else {"MLflow": mlflow}), "Dagster": dagster}


def has_own_mlflow() -> bool:
    """Whether MLFLOW_TRACKING_URI names a running server rather than a database."""
    return tracking_uri().startswith(("http://", "https://"))


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """Ask every process group to end, and make it end after STOP_SECONDS."""
    for process in processes:
        _signal(process, signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()
        # What a server started itself and did not end with it.
        _signal(process, signal.SIGKILL)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)) == 0:
            raise PortInUseError(f"port {port} on {HOST} is in use; end the other program, perhaps another `make ui`")


def _answers(name: str) -> bool:
    port, page = _pages()[name]
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/{page}", timeout=2):
            return True
    except urllib.error.HTTPError as error:
        # It is up, and asks for its token.
        return error.code == 401
    except (urllib.error.URLError, OSError):
        return False
