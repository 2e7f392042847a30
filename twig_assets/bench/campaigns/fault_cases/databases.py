"""Faults of databases: several processes at once, a lock that is held, a server that stops."""

import sqlite3
import subprocess
import threading
import time

from sqlalchemy import func, select

from twig_assets.bench.campaigns import writer
from twig_assets.bench.campaigns.fault_cases.case import NotInjectedError, named, problems_left, run_again
from twig_assets.bench.campaigns.postgresql import postgresql, start_server
from twig_assets.bench.campaigns.processes import run_in_this_process, start, twig_run
from twig_assets.bench.campaigns.undisturbed import ALL_FAIL, UndisturbedRuns
from twig_assets.bench.campaigns.workspace import Workspace, with_environment
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import Audit, Image
from twig_assets.evidence.checks import check_ledger

WRITERS, ROWS = 8, 25


def two_runs_at_once(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """Two `twig run` of one campaign from nothing."""
    undisturbed.fresh.copy_to(workspace)
    running = [start(workspace, *twig_run(workspace)) for _ in range(2)]
    codes = [process.wait() for process in running]
    problems = [] if codes == [0, 0] else [f"they ended with status {codes}"]
    return [*problems, *problems_left(workspace, undisturbed.state)]


def eight_writers_sqlite(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """Eight processes write an SQLite catalog at once."""
    return _eight_writers(workspace, f"sqlite:///{workspace.folder / 'catalog.db'}")


def eight_writers_postgresql(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """Eight processes write a PostgreSQL catalog at once."""
    with postgresql() as (_, url):
        return _eight_writers(workspace, url)


def _eight_writers(workspace: Workspace, url: str) -> list[str]:
    workspace.folder.mkdir(parents=True, exist_ok=True)
    writer.shared_rows(url)
    commands = [["twig_assets.bench.campaigns.writer", url, f"batch-{n}", str(ROWS)] for n in range(WRITERS)]
    running = [start(workspace, *command) for command in commands]
    codes = [process.wait() for process in running]
    catalog = open_catalog(url)
    with catalog.snapshot() as session:
        counts = [session.scalar(select(func.count()).select_from(table)) for table in (Image, Audit)]
        problems = [f"{finding.subject}: {finding.problem}" for finding in check_ledger(session.connection())]
    catalog.close()
    problems += [] if codes == [0] * WRITERS else [f"they ended with status {codes}"]
    return problems + ([] if counts == [WRITERS * ROWS] * 2 else [f"{counts} rows instead of {WRITERS * ROWS}"])


def database_locked(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """An outsider holds the catalog's write lock for 35 s, longer than a run waits."""
    undisturbed.fresh.copy_to(workspace)
    assert run_in_this_process(workspace) == ""
    workspace.write("policy.yaml", ALL_FAIL)
    outsider = sqlite3.connect(workspace.home / "catalog.db", isolation_level=None, check_same_thread=False)
    outsider.execute("BEGIN IMMEDIATE")
    release = threading.Timer(35, lambda: outsider.execute("ROLLBACK"))
    release.start()
    error = run_in_this_process(workspace)
    release.join()
    outsider.close()
    if "locked" not in error:
        raise NotInjectedError(f"the run did not meet the lock: {error!r}")
    return run_again(workspace, undisturbed.strict)


def postgresql_gone(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
    """The PostgreSQL that the catalog is in stops for 30 s in the middle of a run."""
    undisturbed.fresh.copy_to(workspace)
    with postgresql() as (server, url), with_environment(TWIG_CATALOG_URL=url):
        running = start(workspace, *twig_run(workspace))
        until_drawn(url, running)
        server.stop()
        gone = time.monotonic()
        running.wait()
        time.sleep(max(0.0, 30 - (time.monotonic() - gone)))
        start_server(server)
        return run_again(workspace, undisturbed.state)


def until_drawn(url: str, running: subprocess.Popen[str]) -> None:
    """Wait until a run has written an image into the catalog at `url`."""
    catalog = open_catalog(url)
    try:
        while running.poll() is None:
            with catalog.snapshot() as session:
                if session.scalar(select(func.count()).select_from(Image)):
                    return
            time.sleep(0.1)
    finally:
        catalog.close()
    raise NotInjectedError("the run ended before its database could be stopped")


DATABASE_FAULTS = named(
    two_runs_at_once, eight_writers_sqlite, eight_writers_postgresql, database_locked, postgresql_gone
)
