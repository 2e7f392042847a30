"""Opening and upgrading the catalog, its transactions, and what the database itself refuses."""

import multiprocessing
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, delete, func, inspect, select, text, update
from sqlalchemy.exc import IntegrityError

from twig_assets.catalog import database
from twig_assets.catalog.database import VERSION_TABLE, Catalog, SchemaError, open_catalog, schema_state, upgrade
from twig_assets.catalog.models import (
    Audit,
    AuditMatch,
    Base,
    CorpusVersion,
    Image,
    Model,
    PolicyRow,
    Prompt,
    PromptBatch,
    Reference,
    Review,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "catalog.db"


@pytest.fixture
def url(file: Path) -> str:
    return f"sqlite:///{file}"


@pytest.fixture
def catalog(url: str) -> Iterator[Catalog]:
    opened = open_catalog(url)
    yield opened
    opened.close()


def add_reviewed_audit(catalog: Catalog) -> None:
    work = {"title": "Night", "rights_holder": "A. Painter", "licence": "none", "file": "night.png"}
    reference = Reference(campaign="demo", sha256="1" * 64, **work)
    image = Image(
        sha256="2" * 64,
        prompt=Prompt(
            batch=PromptBatch(key="demo-000", campaign="demo"), position=0, text="night", seed=1, sha256="3" * 64
        ),
        stage="generated",
        attempt=0,
        seed=1,
        model=Model(sha256="4" * 64, checkpoint="embedded", base_sha256="5" * 64),
        settings={"steps": 20},
        settings_sha256="6" * 64,
        run_id="run",
    )
    audit = Audit(
        image=image,
        policy=PolicyRow(sha256="7" * 64, body={"ssim_threshold": 0.6}),
        corpus_version=CorpusVersion(campaign="demo", sha256="8" * 64, members=["1" * 64]),
        verdict="review",
        reasons=["close to Night"],
        nearest_reference=reference,
        scores={"ssim": 0.58},
        thresholds={"ssim": 0.6},
        versions={"scikit-image": "1"},
        run_id="run",
        matches=[AuditMatch(reference=reference, rank=1, scores={"ssim": 0.58}, transform="identity")],
        reviews=[Review(decision="reject", who="Ada", why="same composition")],
    )
    with catalog.session() as session:
        session.add(audit)


def metadata_differences(catalog: Catalog) -> list[object]:
    with catalog.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        return compare_metadata(context, Base.metadata)


def test_migrations_make_exactly_the_tables_of_the_models(catalog: Catalog) -> None:
    assert metadata_differences(catalog) == []


def test_a_difference_between_migrations_and_models_would_be_seen(catalog: Catalog) -> None:
    with catalog.engine.begin() as connection:
        connection.execute(text("ALTER TABLE release DROP COLUMN reason"))
    assert len(metadata_differences(catalog)) == 1


def test_migrations_and_models_name_the_same_constraints(catalog: Catalog) -> None:
    of_models = create_engine("sqlite://")
    Base.metadata.create_all(of_models)
    migrated, modelled = inspect(catalog.engine), inspect(of_models)
    for table in Base.metadata.tables:
        for kind in ("get_check_constraints", "get_unique_constraints", "get_foreign_keys", "get_indexes"):
            listed = [sorted(map(_written_out, getattr(side, kind)(table))) for side in (migrated, modelled)]
            assert listed[0] == listed[1]
        assert migrated.get_pk_constraint(table) == modelled.get_pk_constraint(table)


def _written_out(constraint: Mapping[str, Any]) -> str:
    """The condition of a partial index is an object that equals no other, so its text is taken."""
    options = {name: str(value) for name, value in constraint.get("dialect_options", {}).items()}
    return repr({**constraint, "dialect_options": options})


def test_opening_an_empty_database_makes_its_folders_and_tables(url: str, file: Path) -> None:
    assert schema_state(url) == "empty"
    assert not file.parent.exists()
    open_catalog(url).close()
    assert schema_state(url) == "current"


def test_opening_again_finds_what_was_stored(url: str) -> None:
    first = open_catalog(url)
    add_reviewed_audit(first)
    first.close()
    second = open_catalog(url)
    with second.session() as session:
        assert session.scalars(select(Review.who)).all() == ["Ada"]
    second.close()


def test_the_catalog_may_share_a_database_with_other_alembic_users(url: str, file: Path) -> None:
    file.parent.mkdir()
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.execute("INSERT INTO alembic_version VALUES ('of another program')")
    assert schema_state(url) == "empty"
    open_catalog(url).close()
    assert schema_state(url) == "current"


def test_a_catalog_of_a_newer_version_is_refused_and_left_alone(url: str, file: Path) -> None:
    open_catalog(url).close()
    with sqlite3.connect(file) as connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    assert schema_state(url) == "newer"
    for refused in (open_catalog, upgrade):
        with pytest.raises(SchemaError, match=r"catalog\.db: the catalog was made by a newer twig-assets"):
            refused(url)
    assert schema_state(url) == "newer"


def test_a_catalog_of_an_older_version_is_refused_until_it_is_upgraded(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_catalog(url).close()
    migrations = tmp_path / "migrations"
    shutil.copytree(database._MIGRATIONS, migrations)
    head = ScriptDirectory(str(migrations)).get_current_head()
    (migrations / "versions" / "9999_later.py").write_text(
        f"from alembic import op\nimport sqlalchemy as sa\nrevision = '9999'\ndown_revision = {head!r}\n"
        "def upgrade():\n    op.add_column('release', sa.Column('later', sa.Integer()))\n"
    )
    monkeypatch.setattr(database, "_MIGRATIONS", migrations)
    assert schema_state(url) == "older"
    with pytest.raises(SchemaError, match="run `twig db upgrade`"):
        open_catalog(url)
    upgrade(url)
    opened = open_catalog(url)
    assert "later" in [column["name"] for column in inspect(opened.engine).get_columns("release")]
    opened.close()


def test_a_migration_that_fails_half_way_changes_nothing(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrations = tmp_path / "migrations"
    shutil.copytree(database._MIGRATIONS, migrations)
    head = ScriptDirectory(str(migrations)).get_current_head()
    (migrations / "versions" / "9999_broken.py").write_text(
        f"from alembic import op\nrevision = '9999'\ndown_revision = {head!r}\n"
        "def upgrade():\n    op.drop_table('release')\n    raise RuntimeError('power cut')\n"
    )
    monkeypatch.setattr(database, "_MIGRATIONS", migrations)
    with pytest.raises(RuntimeError, match="power cut"):
        open_catalog(url)
    assert schema_state(url) == "empty"
    monkeypatch.undo()
    opened = open_catalog(url)
    assert inspect(opened.engine).has_table("release")
    opened.close()


def test_upgrading_a_current_catalog_keeps_its_rows(url: str, catalog: Catalog) -> None:
    add_reviewed_audit(catalog)
    upgrade(url)
    with catalog.session() as session:
        assert session.scalar(select(func.count()).select_from(Audit)) == 1


def test_a_file_that_is_no_database_is_an_error_that_names_it(url: str, file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"a letter to the editor\n" * 100)
    with pytest.raises(SchemaError, match=r"catalog\.db: cannot be read as a catalog: file is not a database"):
        open_catalog(url)


def test_an_unreachable_database_is_an_error_that_names_it_without_its_password() -> None:
    with pytest.raises((SchemaError, ModuleNotFoundError)) as caught:
        open_catalog("postgresql+psycopg://me:secret@127.0.0.1:1/catalog")
    assert "postgresql+psycopg://me:***@127.0.0.1:1/catalog" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_connections_have_the_settings_that_many_processes_need(catalog: Catalog) -> None:
    with catalog.engine.connect() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "busy_timeout", "foreign_keys")
        }
    assert values == {"journal_mode": "wal", "busy_timeout": 30_000, "foreign_keys": 1}


def test_a_session_that_raises_leaves_nothing_behind(catalog: Catalog) -> None:
    def fail_after_adding() -> None:
        with catalog.session() as session:
            session.add(PromptBatch(key="demo-000", campaign="demo"))
            session.flush()
            raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        fail_after_adding()
    with catalog.session() as session:
        assert session.get(PromptBatch, "demo-000") is None


def test_rows_stay_readable_after_their_session(catalog: Catalog) -> None:
    with catalog.session() as session:
        batch = PromptBatch(key="demo-000", campaign="demo")
        session.add(batch)
    assert batch.campaign == "demo"


def count_up(catalog: Catalog, times: int) -> None:
    for _ in range(times):
        with catalog.session() as session:
            done = session.scalar(select(func.count()).select_from(PromptBatch))
            session.add(PromptBatch(key=f"demo-{done:03}", campaign="demo"))


def open_and_count_up(url: str, times: int) -> None:
    count_up(open_catalog(url), times)


def test_processes_that_open_an_empty_catalog_together_share_it_without_losing_a_write(url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=open_and_count_up, args=(url, 10)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    catalog = open_catalog(url)
    with catalog.session() as session:
        keys = session.scalars(select(PromptBatch.key).order_by(PromptBatch.key)).all()
    assert keys == [f"demo-{i:03}" for i in range(30)]
    catalog.close()


def test_threads_that_read_and_then_write_wait_for_each_other(catalog: Catalog) -> None:
    threads = [threading.Thread(target=count_up, args=(catalog, 10)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with catalog.session() as session:
        assert session.scalar(select(func.count()).select_from(PromptBatch)) == 40


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        (update(Audit).values(verdict="pass"), "audit"),
        (delete(Audit), "audit"),
        (update(AuditMatch).values(rank=2), "audit_match"),
        (delete(AuditMatch), "audit_match"),
        (update(Review).values(decision="waive"), "review"),
        (delete(Review), "review"),
    ],
)
def test_audits_matches_and_reviews_cannot_be_changed_or_deleted(catalog: Catalog, statement, table: str) -> None:
    add_reviewed_audit(catalog)
    with pytest.raises(IntegrityError, match=f"{table} is append-only"), catalog.session() as session:
        session.execute(statement)


@pytest.mark.parametrize(
    ("table", "id_of_new_row"),
    [("audit", "id"), ("audit", "NULL"), ("audit_match", "id"), ("audit_match", "NULL"), ("review", "id")],
)
def test_rows_cannot_be_replaced_by_a_program_that_knows_only_the_file(
    catalog: Catalog, file: Path, table: str, id_of_new_row: str
) -> None:
    add_reviewed_audit(catalog)
    columns = [column["name"] for column in inspect(catalog.engine).get_columns(table) if column["name"] != "id"]
    listed = ", ".join(columns)
    replace = f"INSERT OR REPLACE INTO {table} (id, {listed}) SELECT {id_of_new_row}, {listed} FROM {table}"
    with sqlite3.connect(file) as outsider, pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"):
        outsider.execute(replace)


def test_a_second_review_of_an_audit_is_added_to_the_first(catalog: Catalog) -> None:
    add_reviewed_audit(catalog)
    with catalog.session() as session:
        audit = session.scalars(select(Audit)).one()
        session.add(Review(audit_id=audit.id, decision="waive", who="Grace", why="licensed since"))
    with catalog.session() as session:
        audit = session.scalars(select(Audit)).one()
        assert [review.decision for review in audit.reviews] == ["reject", "waive"]


def test_the_same_image_is_audited_once_per_policy_and_corpus(catalog: Catalog) -> None:
    add_reviewed_audit(catalog)
    with catalog.engine.connect() as connection:
        row = dict(connection.execute(select(Audit.__table__)).mappings().one())
    del row["id"]
    with pytest.raises(IntegrityError, match="audit"), catalog.session() as session:
        session.add(Audit(**row))


def test_a_claim_is_had_by_one_at_a_time_and_ends_with_its_process(database_url: str, tmp_path: Path) -> None:
    catalog = open_catalog(database_url)
    program = (
        "import sys, time; from twig_assets.catalog.database import open_catalog\n"
        "with open_catalog(sys.argv[1]).claimed('demo-000'): print('claimed', flush=True); time.sleep(600)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, database_url], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    )
    try:
        assert other.stdout
        assert other.stdout.readline() == "claimed\n"
        with catalog.claimed("demo-003", pytest.fail):
            pass
        # Killed as soon as this one has begun to wait.
        with catalog.claimed("demo-000", other.kill):
            assert other.wait(60) == -signal.SIGKILL
        with catalog.claimed("demo-000", pytest.fail):
            pass
    finally:
        other.kill()
        catalog.close()
