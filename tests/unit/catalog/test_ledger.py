"""The chain over audits, matches and reviews as it is written: complete, in one line, and closed to changes."""

import multiprocessing
from collections.abc import Iterator

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from tests.unit.catalog.judged import add_audit, add_images, add_images_of_attempts, audit_all
from twig_assets.catalog.database import Catalog, open_catalog
from twig_assets.catalog.ledger import GENESIS, Head, head
from twig_assets.catalog.models import Audit, LedgerEntry, Review
from twig_assets.evidence.checks import check_ledger


@pytest.fixture
def catalog(database_url: str) -> Iterator[Catalog]:
    opened = open_catalog(database_url)
    yield opened
    opened.close()


def entries(catalog: Catalog) -> list[LedgerEntry]:
    with catalog.snapshot() as session:
        return list(session.scalars(select(LedgerEntry).order_by(LedgerEntry.sequence)))


def findings(catalog: Catalog) -> list[str]:
    with catalog.snapshot() as session:
        return [f"{one.subject}: {one.problem}" for one in check_ledger(session.connection())]


def test_an_empty_catalog_has_an_empty_ledger_without_a_head(catalog: Catalog) -> None:
    assert findings(catalog) == []
    with catalog.snapshot() as session:
        assert head(session.connection()) is None


def test_every_audit_match_and_review_gets_one_entry_that_follows_the_one_before(catalog: Catalog) -> None:
    images = add_images(catalog, 3)
    for image_id in images[1:]:
        add_audit(catalog, image_id, "waive")
    found = entries(catalog)
    first = ["prompt", "model", "policy", "corpus_version", *["image"] * 3, "row_state", "audit"]
    assert [entry.table_name for entry in found] == first + 2 * ["audit", "audit_match", "audit_match", "review"]
    assert [entry.sequence for entry in found] == list(range(1, len(found) + 1))
    assert [entry.previous_sha256 for entry in found] == [GENESIS, *(entry.sha256 for entry in found[:-1])]
    with catalog.snapshot() as session:
        assert head(session.connection()) == Head(len(found), found[-1].sha256)
    assert findings(catalog) == []


def test_a_transaction_that_fails_leaves_neither_rows_nor_entries(catalog: Catalog) -> None:
    add_images(catalog, 1)
    before = len(entries(catalog))

    def fail_after_adding() -> None:
        with catalog.session() as session:
            audit = session.scalars(select(Audit)).one()
            session.add(Review(audit_id=audit.id, decision="waive", who="Ada", why="x"))
            session.flush()
            raise LookupError

    with pytest.raises(LookupError):
        fail_after_adding()
    assert len(entries(catalog)) == before
    assert findings(catalog) == []


def test_rows_of_a_savepoint_that_was_rolled_back_get_no_entry(catalog: Catalog) -> None:
    add_images(catalog, 1)
    before = len(entries(catalog))
    with catalog.session() as session:
        audit_id = session.scalars(select(Audit.id)).one()
        savepoint = session.begin_nested()
        session.add(Review(audit_id=audit_id, decision="waive", who="Ada", why="x"))
        session.flush()
        savepoint.rollback()
        with session.begin_nested():
            session.add(Review(audit_id=audit_id, decision="reject", who="Ada", why="y"))
    with catalog.snapshot() as session:
        assert session.scalars(select(Review.why)).all() == ["y"]
    assert len(entries(catalog)) == before + 1
    assert findings(catalog) == []


@pytest.mark.parametrize(
    "statement",
    [
        update(LedgerEntry).values(sha256=GENESIS),
        delete(LedgerEntry),
        update(Audit).values(verdict="fail"),
        delete(Audit),
    ],
)
def test_the_database_refuses_to_change_or_delete_entries_and_rows(catalog: Catalog, statement) -> None:
    add_images(catalog, 1)
    with pytest.raises(IntegrityError, match="is append-only"), catalog.session() as session:
        session.execute(statement)
    assert findings(catalog) == []


def test_postgresql_refuses_to_empty_the_ledger(postgres) -> None:
    catalog = open_catalog(postgres())
    add_images(catalog, 1)
    with pytest.raises(IntegrityError, match="is append-only"), catalog.session() as session:
        session.execute(text("TRUNCATE ledger_entry"))
    catalog.close()


def test_the_chain_cannot_fork(catalog: Catalog) -> None:
    add_images(catalog, 1)
    second = {"sequence": 99, "table_name": "audit", "row_id": 99, "previous_sha256": GENESIS, "sha256": GENESIS}
    with pytest.raises(IntegrityError), catalog.session() as session:
        session.execute(insert(LedgerEntry).values(second))


def test_a_row_that_another_program_added_is_named(catalog: Catalog) -> None:
    add_images(catalog, 1)
    with catalog.session() as session:
        row = {"audit_id": session.scalars(select(Audit.id)).one(), "decision": "waive", "who": "Eve", "why": "x"}
        session.execute(insert(Review).values(row))
    assert findings(catalog) == ["review 1: is in no ledger entry: another program added it, or its entry was removed"]


def test_eight_processes_that_write_at_once_make_one_chain(catalog: Catalog, database_url: str) -> None:
    add_images(catalog, 1)
    images = add_images_of_attempts(catalog, 40)
    before = len(entries(catalog))
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=audit_all, args=(database_url, images[i::8])) for i in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0] * 8
    found = entries(catalog)
    assert [entry.sequence for entry in found] == list(range(1, 1 + before + 40 * 4))
    assert findings(catalog) == []
