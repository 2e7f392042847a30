"""The servers under attack as real processes: ours behind the guard, and Dagster's and MLflow's as they come."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from twig_assets.bench.hardening.attack import Target
from twig_assets.bench.hardening.evil import EvilServer

STARTS_WITHIN_S = 300
_ENDS_WITHIN_S = 40


@contextmanager
def targets(folder: Path, evil: EvilServer, browser: Any) -> Iterator[tuple[Target, Target]]:
    """Start everything.

    Args:
        folder: An empty one.
        evil: The attacker's server.
        browser: Chromium.

    Yields:
        What is guarded, and the originals.
    """
    with ExitStack() as stack:
        guarded = stack.enter_context(_started(folder / "guarded", evil, browser, guarded=True))
        original = stack.enter_context(_started(folder / "original", evil, browser, guarded=False))
        for target in (guarded, original):
            _wait_for(f"{target.dagster}/server_info")
            _wait_for(f"{target.mlflow}/health")
        yield guarded, original


@contextmanager
def _started(home: Path, evil: EvilServer, browser: Any, *, guarded: bool) -> Iterator[Target]:
    campaigns = home / "campaigns"
    campaigns.mkdir(parents=True)
    home.chmod(0o700)
    (home / "dagster.yaml").write_text(yaml.safe_dump({"telemetry": {"enabled": False}}), encoding="utf-8")
    dagster, mlflow = free_port(), free_port()
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "TWIG_HOME": str(home),
        "TWIG_CAMPAIGNS": str(campaigns),
        "TWIG_CAMPAIGN": "",
        "TWIG_CATALOG_URL": "",
        "MLFLOW_TRACKING_URI": "",
        "TWIG_UI_PORT": str(dagster),
        "TWIG_MLFLOW_PORT": str(mlflow),
    }
    # Its tables are made before two processes do so at once.
    with dg.DagsterInstance.from_config(str(home)) as instance, (home / "servers.log").open("wb") as log:
        commands = _ours() if guarded else _originals(home, dagster, mlflow)
        # As most shells have it: what is private is so by what the servers do.
        options: dict[str, Any] = {"start_new_session": True, "umask": 0o022}
        processes = [
            subprocess.Popen(command, env=environment, stdout=log, stderr=log, **options) for command in commands
        ]
        try:
            yield Target(
                guarded,
                home,
                f"http://127.0.0.1:{dagster}",
                f"http://127.0.0.1:{mlflow}",
                instance,
                evil,
                browser,
                [process.pid for process in processes],
            )
        finally:
            end(processes)


def _ours() -> list[list[str]]:
    return [[sys.executable, "-m", f"twig_assets.orchestration.{name}"] for name in ("dagster_server", "mlflow_server")]


def _originals(home: Path, dagster: int, mlflow: int) -> list[list[str]]:
    web = shutil.which("dagster-webserver", path=os.path.dirname(sys.executable)) or "dagster-webserver"
    database = f"sqlite:///{home / 'mlflow.db'}"
    return [
        [web, "--empty-workspace", "--port", str(dagster)],
        [sys.executable, "-m", "mlflow", "server", "--port", str(mlflow), "--workers", "1"]
        + ["--backend-store-uri", database, "--artifacts-destination", str(home / "artifacts")],
    ]


def end(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    """End processes and what they started."""
    for number, patience in ((signal.SIGINT, _ENDS_WITHIN_S), (signal.SIGKILL, _ENDS_WITHIN_S)):
        for process in processes:
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + patience
        for process in processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                continue


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError) as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing answers at {address}") from error
            time.sleep(0.3)
