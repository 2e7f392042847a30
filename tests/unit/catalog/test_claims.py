"""Claims that die with their holder, and holders that notice when a claim has died before them."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from twig_assets.catalog import claims as of_catalog
from twig_assets.catalog.claims import ClaimLostError, opened_claims, run_claim
from twig_assets.catalog.database import Catalog, open_catalog
from twig_assets.catalog.models import PromptBatch

ROOT = Path(__file__).parents[3]


@pytest.fixture
def catalog(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
    # A run that is told to end by a signal ends in the same way here as where a shell ignores the signal.
    monkeypatch.setattr(of_catalog, "LOOK_SECONDS", 0.05)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    opened = open_catalog(database_url)
    yield opened
    opened.close()
    signal.signal(signal.SIGINT, before)


def lose_claims(catalog: Catalog) -> None:
    """End the server's sessions, or delete the files, by which this process has its claims."""
    if catalog.engine.dialect.name == "postgresql":
        with catalog.engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid != pg_backend_pid()"
            )
    else:
        for file in Path(f"{catalog.engine.url.database}-claims").iterdir():
            file.unlink()


def lose(catalog: Catalog, then: Callable[[], None]) -> None:
    """Claim a batch, lose the claim, and go on."""
    with catalog.claimed("demo-000"):
        lose_claims(catalog)
        then()


def test_who_computes_is_interrupted_when_its_claim_is_lost(catalog: Catalog) -> None:
    with pytest.raises(ClaimLostError, match=r"claim on demo-000 was lost \(.+\).* run it again"):
        lose(catalog, lambda: time.sleep(60))


def test_nothing_is_written_after_a_claim_was_lost(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_catalog, "LOOK_SECONDS", 60)

    def write() -> None:
        with catalog.session() as session:
            session.add(PromptBatch(key="demo-000", campaign="demo"))

    with pytest.raises(ClaimLostError):
        lose(catalog, write)
    with catalog.session() as session:
        assert session.scalars(select(PromptBatch)).all() == []


def test_another_thread_that_has_lost_its_claim_is_refused_and_this_one_is_not(catalog: Catalog) -> None:
    lost, may_go_on, errors = threading.Event(), threading.Event(), []

    def work() -> None:
        try:
            with catalog.claimed("demo-000"):
                lose_claims(catalog)
                lost.set()
                may_go_on.wait(60)
                with catalog.session():
                    pass
        except ClaimLostError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert lost.wait(60)
    with catalog.session():
        may_go_on.set()
    thread.join(60)
    assert len(errors) == 1


def test_a_block_that_fails_by_itself_keeps_its_own_error(catalog: Catalog) -> None:
    with pytest.raises(LookupError, match="on purpose"), catalog.claimed("demo-000"):
        raise LookupError("on purpose")


def test_the_claim_of_a_run_is_seen_by_others_and_gone_with_its_process(database_url: str) -> None:
    program = (
        "import sys, time; from twig_assets.catalog.claims import opened_claims, run_claim\n"
        "with opened_claims(sys.argv[1]) as claims, claims.claimed(run_claim('a')):"
        " print(claims.identity(), flush=True); time.sleep(600)"
    )
    with opened_claims(database_url) as claims:
        assert not claims.is_claimed(run_claim("a"))
        arguments = [sys.executable, "-c", program, database_url]
        other = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        try:
            assert other.stdout
            assert other.stdout.readline() == f"{claims.identity()}\n"
            assert claims.is_claimed(run_claim("a"))
            assert claims.is_claimed(run_claim("a")), "to look takes nothing away"
            assert not claims.is_claimed(run_claim("b"))
        finally:
            other.kill()
            other.wait()
        deadline = time.monotonic() + 30
        while claims.is_claimed(run_claim("a")) and time.monotonic() < deadline:
            time.sleep(0.02)  # a server takes a moment to see that the connection has closed
        assert not claims.is_claimed(run_claim("a"))


def test_two_databases_have_two_names(tmp_path: Path, database_url: str) -> None:
    with opened_claims(database_url) as claims, opened_claims(f"sqlite:///{tmp_path / 'other.db'}") as others:
        assert claims.identity()
        assert claims.identity() != others.identity()
