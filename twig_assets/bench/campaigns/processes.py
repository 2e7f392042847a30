"""The command `twig run` of a workspace: in this process, in a new one, or forked from one that has the libraries.

A benchmark runs it dozens of times, and importing the libraries takes ten seconds each time.
"""

import io
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console

from twig_assets.bench.campaigns.workspace import NAME, Workspace
from twig_assets.campaign import load_campaign
from twig_assets.orchestration.runner import CampaignRunner, RunFailedError

_LOG = "process.log"
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(
    [
        "twig_assets.orchestration.runner",
        "twig_assets.ablation.judged",
        "twig_assets.compliance.attempts.second_images",
        "twig_assets.model_zoo",
        "twig_assets.tracking.mlflow_runs",
        "twig_assets.bench.campaigns.kill_points",
    ]
)


def run_in_this_process(workspace: Workspace, console: Console | None = None) -> str:
    """Do what `twig run` does, with the models that this process has open.

    Args:
        workspace: Where it works.
        console: Shows the progress; nothing does if None.

    Returns:
        The error that the run ended with; empty if it succeeded.
    """
    with workspace.entered():
        try:
            CampaignRunner(load_campaign(NAME, workspace.root), console or Console(file=io.StringIO())).run()
        except RunFailedError as error:
            return str(error)
    return ""


def twig_run(workspace: Workspace) -> list[str]:
    """The module and arguments that run the campaign, for `start`."""
    return ["twig_assets.cli", "run", "--campaign", NAME, "--root", str(workspace.root)]


def start(
    workspace: Workspace, *command: str, before: Callable[[], object] | None = None, **environment: str
) -> subprocess.Popen[str]:
    """Start a Python module as a process in a workspace; what it prints goes to `process.log` there.

    Args:
        workspace: Where it works.
        command: The module and its arguments.
        before: Called in the new process before it becomes Python.
        environment: Further variables.
    """
    workspace.folder.mkdir(parents=True, exist_ok=True)
    with (workspace.folder / _LOG).open("a", encoding="utf-8") as log:
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", *command],
            text=True,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=before,
            env={**os.environ, **workspace.environment(), **environment},
        )


def forked(workspace: Workspace, function: Callable[..., None], *arguments: Any) -> int:
    """Call a function in a forked process in a workspace, and wait for its end; `process.log` has what it prints.

    Returns:
        Its exit status; the negative number of the signal that killed it.
    """
    workspace.folder.mkdir(parents=True, exist_ok=True)
    log = str(workspace.folder / _LOG)
    process = _forks.Process(target=_enter, args=(workspace.environment(), log, function, arguments))
    process.start()
    process.join()
    return int(process.exitcode or 0)


def _enter(environment: dict[str, str], log: str, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(output, 1)
    os.dup2(output, 2)
    function(*arguments)


def printed(workspace: Workspace) -> str:
    """All that the processes of a workspace printed; empty if there were none."""
    log = workspace.folder / _LOG
    return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""


def forget_printed(workspace: Workspace) -> None:
    """Delete what the processes of a workspace printed."""
    (workspace.folder / _LOG).unlink(missing_ok=True)
