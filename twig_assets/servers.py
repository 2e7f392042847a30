"""Dagster's and MLflow's servers for `twig ui`, both on loopback."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

from rich.console import Console

from twig_assets.dagster_home import prepare_dagster_home
from twig_assets.home import MLFLOW_PORT, UI_PORT, home, tracking_uri

HOST = "127.0.0.1"
STOP_SECONDS = 20


class PortInUseError(RuntimeError):
    """Another program listens where a server is to be started."""


def serve(campaign: str, console: Console) -> int:
    """Start both servers, wait until they answer, and stop them on Ctrl-C or when either ends.

    Returns:
        0 after Ctrl-C, 1 if a server ended by itself.

    Raises:
        PortInUseError: If a port is taken.
    """
    prepare_dagster_home()
    for port in (UI_PORT, MLFLOW_PORT):
        _refuse_taken(port)
    home().mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "TWIG_CAMPAIGN": campaign}
    processes = [subprocess.Popen(command, env=environment, start_new_session=True) for command in commands()]
    try:
        for name, url in (
            ("MLflow", f"http://{HOST}:{MLFLOW_PORT}/health"),
            ("Dagster", f"http://{HOST}:{UI_PORT}/server_info"),
        ):
            _wait(url, processes)
            console.print(f"{name}: {url.rsplit('/', 1)[0]}", soft_wrap=True)
        console.print("Ctrl-C ends both.")
        while all(process.poll() is None for process in processes):
            time.sleep(0.5)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        stop(processes)


def commands() -> list[list[str]]:
    """The command lines of MLflow's and Dagster's servers."""
    mlflow = [
        sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(MLFLOW_PORT), "--workers", "1",
        "--backend-store-uri", tracking_uri(), "--artifacts-destination", str(home() / "mlflow-artifacts"),
    ]  # fmt: skip
    dagster = [
        shutil.which("dagster", path=os.path.dirname(sys.executable)) or "dagster", "dev",
        "--host", HOST, "--port", str(UI_PORT), "--module-name", "twig_assets.definitions",
    ]  # fmt: skip
    return [mlflow, dagster]


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
