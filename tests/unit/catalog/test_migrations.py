"""Every way from one schema to another, on both kinds of database."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import create_engine, delete, inspect, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tests.unit.catalog.judged import add_audit, add_images
from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog import database
from twig_assets.catalog.database import VERSION_TABLE, open_catalog, schema_state, upgrade
from twig_assets.catalog.models import (
    Audit,
    AuditMatch,
    Base,
    Image,
    LedgerEntry,
    Release,
    ReportFile,
    Review,
    Watermark,
    utc_now,
)
from twig_assets.compliance.candidates import audits_in_force
from twig_assets.evidence.checks import check_ledger

# A prompt, a model, a policy, a corpus version, four images and the state of a work.
BESIDES = 9
REVISIONS = [script.revision for script in ScriptDirectory.from_config(database._scripts()).walk_revisions()][::-1]


def migrate(url: str, revision: str, down: bool = False) -> None:
    engine, config = database._create_engine(url), database._scripts()
    with database.keys_unenforced(engine) as connection, connection.begin():
        config.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(config, revision)
    engine.dispose()


def differences(url: str) -> list[object]:
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        found = compare_metadata(context, Base.metadata)
    engine.dispose()
    return found


def rows(url: str) -> list[list[tuple[object, ...]]]:
    engine = database._create_engine(url)
    with engine.connect() as connection:
        found = [connection.execute(select(*cls.__table__.c).order_by(cls.id)) for cls in (Audit, AuditMatch, Review)]
        listed = [[tuple(map(str, row)) for row in one] for one in found]
    engine.dispose()
    return listed


def fill(url: str) -> None:
    catalog = open_catalog(url)
    for image_id in add_images(catalog, 4)[1:]:
        add_audit(catalog, image_id, "reject")
    catalog.close()


def sound_entries(url: str) -> int:
    """How many entries the ledger has, if nothing is wrong with it."""
    catalog = open_catalog(url)
    with catalog.snapshot() as session:
        assert list(check_ledger(session.connection())) == []
        count = len(session.scalars(select(LedgerEntry.sequence)).all())
    catalog.close()
    return count


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_revision_can_be_brought_to_the_newest(database_url: str, revision: str) -> None:
    migrate(database_url, revision)
    assert schema_state(database_url) == ("current" if revision == REVISIONS[-1] else "older")
    upgrade(database_url)
    assert schema_state(database_url) == "current"
    assert differences(database_url) == []


def test_rows_from_before_the_ledger_are_chained_by_the_upgrade(database_url: str) -> None:
    fill(database_url)
    before = rows(database_url)
    migrate(database_url, "0001", down=True)
    engine = create_engine(database_url)
    assert not inspect(engine).has_table("ledger_entry")
    engine.dispose()
    assert schema_state(database_url) == "older"
    upgrade(database_url)
    assert rows(database_url) == before
    assert sound_entries(database_url) == 1 + 3 * 4 + BESIDES


def test_watermarks_are_chained_by_the_upgrade_and_stay_as_they_were(database_url: str) -> None:
    fill(database_url)
    mark = {"payload": "0123456789ab", "method": "lattice-1", "key_id": "ffffffff", "psnr": 40.5}
    catalog = open_catalog(database_url)
    with catalog.session() as session:
        session.add_all([Watermark(image_id=image_id, **mark) for image_id in (3, 1)])
    catalog.close()
    chained = sound_entries(database_url)
    migrate(database_url, "0014", down=True)
    upgrade(database_url)
    assert sound_entries(database_url) == chained
    catalog = open_catalog(database_url)
    with catalog.session() as session:
        kept = session.scalars(select(Watermark).order_by(Watermark.image_id)).all()
        assert [(row.image_id, row.payload, row.psnr) for row in kept] == [(i, mark["payload"], 40.5) for i in (1, 3)]
    with pytest.raises(IntegrityError, match="watermark is append-only"), catalog.session() as session:
        session.execute(update(Watermark).values(payload="0"))
    catalog.close()


def report_files(url: str, *new: ReportFile) -> list[tuple[str, str | None]]:
    """File and removal of every row, after new ones were added."""
    catalog = open_catalog(url)
    with catalog.session() as session:
        session.add_all(new)
        session.flush()
        kept = [(row.file, row.removed) for row in session.scalars(select(ReportFile).order_by(ReportFile.id))]
    catalog.close()
    return kept


def test_report_files_stay_on_the_way_down_and_up_again_with_the_same_ledger(database_url: str) -> None:
    fill(database_url)
    report_files(database_url, ReportFile(campaign="demo", file="report-1.html", sha256="1" * 64))
    ledger = ledger_hashes(database_url)
    migrate(database_url, "0015", down=True)
    assert schema_state(database_url) == "older"
    upgrade(database_url)
    assert report_files(database_url) == [("report-1.html", None)]
    assert ledger_hashes(database_url) == ledger
    assert sound_entries(database_url) == len(ledger)


def test_there_is_no_way_down_past_a_removal_on_record_and_it_stays_as_it_was(database_url: str) -> None:
    fill(database_url)
    file = {"campaign": "demo", "file": "report-1.html", "sha256": "1" * 64}
    kept = report_files(database_url, ReportFile(**file), ReportFile(**file, removed="older than 30 days"))
    ledger = ledger_hashes(database_url)
    with pytest.raises(CommandError, match="1 removed files of reports are on record.*twig restore"):
        migrate(database_url, "0015", down=True)
    assert schema_state(database_url) == "current"
    assert report_files(database_url) == kept == [("report-1.html", None), ("report-1.html", "older than 30 days")]
    assert ledger_hashes(database_url) == ledger
    assert sound_entries(database_url) == len(ledger)


def ledger_hashes(url: str) -> list[str]:
    engine = create_engine(url)
    with engine.connect() as connection:
        hashes = list(connection.scalars(select(LedgerEntry.sha256).order_by(LedgerEntry.sequence)))
    engine.dispose()
    return hashes


def test_a_table_that_was_replaced_keeps_its_rows_rules_and_ledger(database_url: str) -> None:
    fill(database_url)
    before = rows(database_url)
    migrate(database_url, "0003", down=True)
    upgrade(database_url)
    assert rows(database_url) == before
    assert sound_entries(database_url) == 1 + 3 * 4 + BESIDES
    catalog = open_catalog(database_url)
    for statement in (update(Audit).values(verdict="pass"), delete(Audit)):
        with pytest.raises(IntegrityError, match="audit is append-only"), catalog.session() as session:
            session.execute(statement)
    other = {"versions": {"numpy": "9"}}
    for wrong in ({"verdict": "perhaps", **other}, {"image_id": 999, **other}, {}):
        with pytest.raises(IntegrityError), catalog.session() as session:
            session.add(Audit(**{**audit_like_the_first(session), **wrong}))
    catalog.close()


def test_other_library_versions_make_another_audit_and_the_newest_counts(database_url: str) -> None:
    fill(database_url)
    image_id = 1
    catalog = open_catalog(database_url)
    with catalog.session() as session:
        session.add(Audit(**{**audit_like_the_first(session), "versions": {"numpy": "9"}, "verdict": "fail"}))
    with catalog.session() as session:
        first, second = session.scalars(select(Audit).where(Audit.image_id == image_id).order_by(Audit.id))
        rules = Rules("", "", (), 1, second.policy.sha256, second.corpus_version_id, "", None)
        assert audits_in_force(session, [image_id], rules)[image_id].id == second.id > first.id
    catalog.close()


def publish(url: str, times: int = 1) -> None:
    """Publish an image of the first prompt, whatever is published of it already."""
    engine = database._create_engine(url)
    with Session(engine) as session, session.begin():
        # Only columns that every revision has.
        columns = select(Audit.id, Audit.image_id, Image.prompt_id).join(Image).order_by(Audit.id)
        audit_id, image_id, prompt_id = session.execute(columns).first()
        for _ in range(times):
            session.add(Release(prompt_id=prompt_id, image_id=image_id, audit_id=audit_id))
    engine.dispose()


@pytest.mark.parametrize("revision", REVISIONS[: REVISIONS.index("0005")])
def test_of_several_releases_of_a_prompt_the_newest_stands_and_no_second_can(database_url: str, revision: str) -> None:
    fill(database_url)
    migrate(database_url, "0004", down=True)
    publish(database_url, times=3)
    migrate(database_url, revision, down=True)
    upgrade(database_url)
    catalog = open_catalog(database_url)
    with catalog.session() as session:
        releases = session.scalars(select(Release).order_by(Release.id)).all()
        standing = [release.withdrawn_at is None for release in releases]
        reasons = {release.reason for release in releases[:-1]}
    assert (standing, reasons) == ([False, False, True], {"another image took its place"})
    with pytest.raises(IntegrityError):
        publish(database_url)
    with catalog.session() as session:
        session.execute(update(Release).values(withdrawn_at=utc_now()))
    publish(database_url)
    catalog.close()


def audit_like_the_first(session: Session) -> dict[str, object]:
    row = dict(session.execute(select(Audit.__table__).order_by(Audit.id).limit(1)).mappings().one())
    del row["id"]
    return row
