"""What `verify` finds: any single change of what was recorded, and what only a head that was kept elsewhere shows."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests.unit.catalog.judged import add_adherence, add_audit, add_images
from twig_assets.catalog.artifacts import Artifact, needed_artifacts
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.ledger import CHAINED, GENESIS, Head, entry_sha256, head, read_contents
from twig_assets.catalog.models import PolicyRow, Prompt, PromptBatch
from twig_assets.catalog.store import ArtifactStore
from twig_assets.evidence.checks import Anchor, check_anchors, check_artifacts, check_ledger, check_names

TABLES = ("audit", "audit_match", "review", "adherence", "ledger_entry")
LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
VALUES = st.none() | st.integers(-3, 20) | st.floats(allow_nan=False) | st.text(max_size=5) | st.binary(max_size=3)
PLACES = st.integers(0, 2**16)


@pytest.fixture(scope="module")
def open_file(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A catalog in the hands of somebody who has dropped the triggers and turned the constraints off."""
    path = tmp_path_factory.mktemp("verify") / "catalog.db"
    catalog = open_catalog(f"sqlite:///{path}")
    for image_id, decision in zip(add_images(catalog, 5)[1:], ("waive", None, "reject", "waive"), strict=True):
        add_audit(catalog, image_id, decision)
        add_adherence(catalog, image_id)
    catalog.close()
    with sqlite3.connect(path) as connection:
        triggers = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in triggers:
            connection.execute(f"DROP TRIGGER {name}")
    assert len(triggers) == 3 * len((*CHAINED, "ledger_entry"))
    return tampering_engine(path)


def tampering_engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"isolation_level": None})
    event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA ignore_check_constraints = ON"))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


@pytest.fixture
def tampered(open_file: Engine):
    """A connection whose changes are undone at the end of every example."""
    with open_file.connect() as connection:
        yield connection
        connection.rollback()


def found(connection: Connection) -> list[str]:
    return [f"{one.subject}: {one.problem}" for one in check_ledger(connection)]


def rows(connection: Connection, table: str) -> list[sqlite3.Row]:
    return list(connection.exec_driver_sql(f"SELECT rowid AS place, * FROM {table} ORDER BY rowid"))


def change(connection: Connection, statement: str, *values: object) -> None:
    try:
        connection.exec_driver_sql(statement, values)
    except DBAPIError:
        assume(False)


def test_what_nobody_touched_has_no_findings(tampered: Connection) -> None:
    assert found(tampered) == []


@LAW
@given(table=st.sampled_from(TABLES), row=PLACES, column=PLACES, value=VALUES)
def test_any_altered_value_is_found(tampered: Connection, table: str, row: int, column: int, value: object) -> None:
    tampered.rollback()
    listed = rows(tampered, table)
    before = listed[row % len(listed)]
    name = before._fields[1:][column % (len(before) - 1)]
    change(tampered, f"UPDATE {table} SET {name} = ? WHERE rowid = ?", value, before.place)
    assume(list(map(repr, rows(tampered, table))) != list(map(repr, listed)))
    assert found(tampered)


@LAW
@given(table=st.sampled_from(TABLES), row=PLACES)
def test_any_removed_row_is_found(tampered: Connection, table: str, row: int) -> None:
    tampered.rollback()
    listed = rows(tampered, table)
    change(tampered, f"DELETE FROM {table} WHERE rowid = ?", listed[row % len(listed)].place)
    assert found(tampered)


@LAW
@given(table=st.sampled_from(TABLES), first=PLACES, second=PLACES)
def test_any_two_rows_that_change_places_are_found(tampered: Connection, table: str, first: int, second: int) -> None:
    tampered.rollback()
    places = [row.place for row in rows(tampered, table)]
    one, other = places[first % len(places)], places[second % len(places)]
    assume(one != other)
    for old, new in ((one, -1), (other, one), (-1, other)):
        change(tampered, f"UPDATE {table} SET rowid = ? WHERE rowid = ?", new, old)
    assert found(tampered)


@LAW
@given(row=PLACES)
def test_an_entry_removed_together_with_its_row_is_found_unless_it_is_the_last(tampered: Connection, row: int) -> None:
    tampered.rollback()
    entry = rows(tampered, "ledger_entry")[row % (len(rows(tampered, "ledger_entry")) - 1)]
    change(tampered, "DELETE FROM ledger_entry WHERE sequence = ?", entry.sequence)
    change(tampered, f"DELETE FROM {entry.table_name} WHERE id = ?", entry.row_id)
    assert found(tampered) == [f"ledger entry {entry.sequence}: missing from the ledger"]


def test_findings_name_the_row_and_its_entry(tampered: Connection) -> None:
    change(tampered, "UPDATE review SET decision = 'reject' WHERE id = 1")
    assert found(tampered) == ["review 1: was altered since ledger entry 5 recorded it, or that entry was"]
    tampered.rollback()
    change(tampered, "DELETE FROM audit_match WHERE id = 2")
    assert found(tampered) == ["audit_match 2: missing, though ledger entry 4 recorded it"]
    tampered.rollback()
    change(tampered, "UPDATE audit SET scores = 'torn {' WHERE id = 3")
    assert [one.split(" (")[0] for one in found(tampered)] == [
        "audit 3: was altered since ledger entry 7 recorded it: it cannot be read any more"
    ]


@pytest.mark.parametrize("table", ["image", "policy", "corpus_version", "reference"])
def test_an_audit_that_is_made_to_speak_of_something_else_is_found(tampered: Connection, table: str) -> None:
    change(tampered, f"UPDATE {table} SET sha256 = 'another' WHERE id = (SELECT max(id) FROM {table})")
    assert any(one.startswith("audit ") for one in found(tampered))


def test_an_end_that_was_cut_off_shows_only_by_a_head_that_was_kept(tampered: Connection) -> None:
    kept = [Anchor("report.json", head(tampered))]
    assert list(check_anchors(tampered, kept)) == []
    last = rows(tampered, "ledger_entry")[-1]
    change(tampered, "DELETE FROM ledger_entry WHERE sequence = ?", last.sequence)
    change(tampered, f"DELETE FROM {last.table_name} WHERE id = ?", last.row_id)
    assert found(tampered) == []
    (finding,) = check_anchors(tampered, kept)
    assert (finding.subject, "which is missing" in finding.problem) == ("report.json", True)


def test_a_chain_computed_again_shows_only_by_a_head_that_was_kept(tampered: Connection) -> None:
    kept = [Anchor("report.json", head(tampered))]
    change(tampered, "UPDATE audit SET verdict = 'pass' WHERE verdict = 'fail'")
    change(tampered, "UPDATE ledger_entry SET previous_sha256 = sequence")
    previous = GENESIS
    for entry in rows(tampered, "ledger_entry"):
        key = (entry.table_name, entry.row_id)
        sha256 = entry_sha256(entry.sequence, previous, entry.table_name, read_contents(tampered, [key])[key])
        change(
            tampered,
            "UPDATE ledger_entry SET previous_sha256 = ?, sha256 = ? WHERE sequence = ?",
            previous,
            sha256,
            entry.sequence,
        )
        previous = sha256
    assert found(tampered) == []
    (finding,) = check_anchors(tampered, kept)
    assert "was rewritten" in finding.problem


def test_what_no_longer_has_the_hash_that_names_it_is_found(tmp_path: Path) -> None:
    catalog = open_catalog(f"sqlite:///{tmp_path / 'catalog.db'}")
    with catalog.session() as session:
        prompt = Prompt(position=0, text="an owl", seed=1, sha256=sha256_of({"text": "an owl", "seed": 1}))
        session.add(PromptBatch(key="demo-000", campaign="demo", prompts=[prompt]))
        session.add(PolicyRow(sha256=sha256_of({"ssim_threshold": 0.6}), body={"ssim_threshold": 0.6}))
    with catalog.session() as session:
        assert list(check_names(session)) == []
        session.execute(text("UPDATE prompt SET text = 'a cat'"))
        session.execute(text("UPDATE policy SET body = 'torn {'"))
        assert sorted(one.subject for one in check_names(session)) == ["policy 1", "prompt 1"]
    catalog.close()


def test_every_artifact_that_is_missing_or_altered_is_named(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    sound, altered, lost = (store.put_bytes(content, "png") for content in (b"one", b"two", b"three"))
    store.path(altered, "png").write_bytes(b"2")
    store.path(lost, "png").unlink()
    wanted = [Artifact(sound, "png", "image 1"), Artifact(altered, "png", "image 2"), Artifact(lost, "png", "mask 3")]
    findings = {one.subject: one.problem for one in check_artifacts(store, [*wanted, Artifact("x", "png", "mask 4")])}
    assert set(findings) == {"image 2", "mask 3", "mask 4"}
    assert f"{altered}.png: was altered" in findings["image 2"]
    assert f"{lost}.png: no such artifact" in findings["mask 3"]


def test_artifacts_are_those_of_images_masks_edits_and_works(open_file: Engine) -> None:
    with open_file.connect() as connection, Session(connection) as session:
        subjects = [artifact.subject for artifact in needed_artifacts(session)]
        assert subjects == [f"image {row.id}" for row in rows(connection, "image")]


def test_a_head_is_the_last_entry(open_file: Engine) -> None:
    with open_file.connect() as connection:
        last = rows(connection, "ledger_entry")[-1]
        assert head(connection) == Head(last.sequence, last.sha256)
