"""Faults of disks that have no room left."""

import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twig_assets.bench.campaigns.fault_cases.case import NotInjectedError, named, run_again
from twig_assets.bench.campaigns.processes import forget_printed, printed, start, twig_run
from twig_assets.bench.campaigns.undisturbed import UndisturbedRuns
from twig_assets.bench.campaigns.workspace import Workspace


def disk_full(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """No file may grow beyond 200 kB, as if the disk were full: databases cannot grow, and a write fails in the middle.

    A limit of the process stands in for the disk, since filling one would harm others.
    """
    undisturbed.fresh.copy_to(workspace)
    code = start(workspace, *twig_run(workspace), before=_limit_file_size).wait()
    if code == 0:
        raise NotInjectedError("the run needed no larger file")
    return run_again(workspace, undisturbed.state)


def _limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def no_space_left(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The disk is full, first when an edit is written, then, with a little more room, when images are."""
    workspace.home.mkdir(parents=True)
    with _small_disk(workspace.home, "4m"):
        undisturbed.fresh.copy_to(workspace)
        for size in ("4m", "8m"):
            _mount("-o", f"remount,size={size}", workspace.home)
            forget_printed(workspace)
            code = start(workspace, *twig_run(workspace)).wait()
            if code == 0 or not _names_a_full_disk(printed(workspace)):
                raise NotInjectedError(f"with {size} the run ended with status {code} and did not say that it is full")
        _mount("-o", "remount,size=1g", workspace.home)
        problems = run_again(workspace, undisturbed.state)
    return problems


def _names_a_full_disk(log: str) -> bool:
    return any(words in log for words in ("No space left", "disk is full", "disk I/O error"))


@contextmanager
def _small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system in memory, for as long as the `with` block lasts; only root can have one."""
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*arguments: str | Path) -> None:
    try:
        subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", "") or str(error)
        raise NotInjectedError(f"a small file system cannot be mounted, which needs root: {why.strip()}") from error


DISK_FAULTS = named(disk_full, no_space_left)
