"""Processes that begin with the libraries imported: a benchmark starts dozens, and imports take each ten seconds."""

import multiprocessing
import os
from collections.abc import Callable
from typing import Any

from twig_assets.bench.campaigns.workspace import Workspace

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["twig_assets.orchestration.runner", "twig_assets.model_zoo", "twig_assets.bench.campaigns.kill_points"]
)


def exit_status(workspace: Workspace, function: Callable[..., None], *arguments: Any) -> int:
    """Call a function in a process of its own in a workspace, and wait for its end.

    What it prints goes to `process.log` there.

    Returns:
        Its exit status; the negative number of the signal that killed it.
    """
    workspace.folder.mkdir(parents=True, exist_ok=True)
    log = str(workspace.folder / "process.log")
    process = _context.Process(target=_enter, args=(workspace.environment(), log, function, arguments))
    process.start()
    process.join()
    return int(process.exitcode or 0)


def _enter(environment: dict[str, str], log: str, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ.update(environment)
    printed = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    function(*arguments)
