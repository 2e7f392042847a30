"""Faults of processes that are asked to end, are stopped for a while, or end in the middle of a backup."""

import os
import signal
import subprocess
import time
from functools import partial

from twig_assets.bench.campaigns.fault_cases.case import NotInjectedError, named, problems_left, run_again
from twig_assets.bench.campaigns.fault_cases.databases import until_drawn
from twig_assets.bench.campaigns.processes import start, twig_run
from twig_assets.bench.campaigns.undisturbed import UndisturbedRuns
from twig_assets.bench.campaigns.workspace import Workspace

STOPPED_SECONDS = 5


def terminated(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """A run is asked to end (SIGTERM) while it draws, as a service manager does."""
    return _signalled(undisturbed, workspace, signal.SIGTERM)


def interrupted(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """A run gets Ctrl-C while it draws."""
    return _signalled(undisturbed, workspace, signal.SIGINT)


def hung_up(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """A run loses its terminal (SIGHUP) while it draws."""
    return _signalled(undisturbed, workspace, signal.SIGHUP)


def _signalled(undisturbed: UndisturbedRuns, workspace: Workspace, number: signal.Signals) -> list[str]:
    running = _drawing(undisturbed, workspace)
    os.killpg(running.pid, number)
    if running.wait() == 0:
        raise NotInjectedError("the run ended before it got the signal")
    return run_again(workspace, undisturbed.state)


def frozen(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """A run is stopped for some seconds (SIGSTOP) while it draws, and another waits for its claims."""
    first = _drawing(undisturbed, workspace)
    os.killpg(first.pid, signal.SIGSTOP)
    second = start(workspace, *twig_run(workspace))
    time.sleep(STOPPED_SECONDS)
    os.killpg(first.pid, signal.SIGCONT)
    codes = [first.wait(), second.wait()]
    problems = [] if codes == [0, 0] else [f"they ended with status {codes}"]
    return [*problems, *problems_left(workspace, undisturbed.state)]


def backup_killed(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """A backup is killed in its middle; another goes to the end."""
    undisturbed.finished.copy_to(workspace)
    folder = workspace.folder / "backup"
    running = start(workspace, "twig_assets.cli", "backup", str(folder))
    while running.poll() is None and not list(workspace.folder.glob("*backup*")):
        time.sleep(0.002)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    again = workspace.folder / "again"
    code = start(workspace, "twig_assets.cli", "backup", str(again)).wait()
    problems = [] if code == 0 else [f"the second backup ended with status {code}"]
    return [*problems, *run_again(workspace, undisturbed.state)]


def _drawing(undisturbed: UndisturbedRuns, workspace: Workspace) -> subprocess.Popen[str]:
    """A run from nothing that has drawn its first image."""
    undisturbed.fresh.copy_to(workspace)
    # A benchmark that nohup started would hand on that it takes no notice of a lost terminal.
    running = start(workspace, *twig_run(workspace), before=partial(signal.signal, signal.SIGHUP, signal.SIG_DFL))
    until_drawn(f"sqlite:///{workspace.home / 'catalog.db'}", running)
    return running


SIGNAL_FAULTS = named(terminated, interrupted, hung_up, frozen, backup_killed)
