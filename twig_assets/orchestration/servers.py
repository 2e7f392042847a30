"""Dagster's and MLflow's servers and the desk for `twig ui`, all on loopback."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from rich.console import Console

from twig_assets.orchestration.dagster_home import prepare_dagster_home
from twig_assets.settings.home import desk_port, home, mlflow_port, mlflow_url, tracking_uri, ui_port

HOST = "127.0.0.1"
STOP_SECONDS = 30


class PortInUseError(RuntimeError):
    """Another program listens where a server is to be started."""


def serve(root: Path, served: str, console: Console) -> int:
    """Start the servers, wait until they answer, and stop them on Ctrl-C, on SIGTERM or when one ends.

    Args:
        root: The folder of the campaigns.
        served: The names of those that Dagster works on, separated by commas; empty for all.
        console: Where the addresses are shown.

    Returns:
        0 after Ctrl-C, 1 if a server ended by itself.

    Raises:
        PortInUseError: If a port is taken.
    """
    prepare_dagster_home()
    addresses = {"Desk": (desk_port(), "door"), "Dagster": (ui_port(), "server_info")}
    if not has_own_mlflow():
        addresses = {"MLflow": (mlflow_port(), "health"), **addresses}
    for port, _ in addresses.values():
        _refuse_taken(port)
    home().mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "TWIG_CAMPAIGN": served,
        "TWIG_CAMPAIGNS": str(root.absolute()),
    }
    # A shell's background job inherits an ignored SIGINT, and servers that ignore it too could not be stopped.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands(root):
            processes.append(subprocess.Popen(command, env=environment, start_new_session=True))
        for name, (port, page) in addresses.items():
            _wait(f"http://{HOST}:{port}/{page}", processes)
            console.print(f"{name}: http://{HOST}:{port}", soft_wrap=True)
        if has_own_mlflow():
            console.print(f"MLflow: {tracking_uri()} (not started here)", soft_wrap=True)
        console.print("Ctrl-C ends all of them.")
        while all(process.poll() is None for process in processes):
            time.sleep(0.5)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        # A second Ctrl-C while the servers end would leave them behind.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        stop(processes)


def commands(root: Path) -> list[list[str]]:
    """The command lines of the desk, of Dagster's server and, unless a server is named already, of MLflow's."""
    desk = [sys.executable, "-m", "twig_assets.cli", "desk", "--root", str(root.absolute())]
    mlflow = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        HOST,
        "--port",
        str(mlflow_port()),
        "--workers",
        "1",
        "--backend-store-uri",
        tracking_uri(),
        "--artifacts-destination",
        str(home() / "mlflow-artifacts"),
    ]
    dagster = [
        shutil.which("dagster", path=os.path.dirname(sys.executable)) or "dagster",
        "dev",
        "--host",
        HOST,
        "--port",
        str(ui_port()),
        "--module-name",
        "twig_assets.definitions",
    ]
    return [desk, dagster] if has_own_mlflow() else [desk, mlflow, dagster]


def has_own_mlflow() -> bool:
    """Whether MLFLOW_TRACKING_URI names a running server rather than a database."""
    return mlflow_url() == tracking_uri()


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


def _wait(url: str, processes: list[subprocess.Popen[bytes]]) -> None:
    while all(process.poll() is None for process in processes):
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
