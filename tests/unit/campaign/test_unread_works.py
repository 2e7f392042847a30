"""Works that were not compared, and who accepted that."""

from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tests.unit.similarity.corpus.picture_files import scene
from tests.unit.similarity.pictures import encoded
from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import rules_under
from twig_assets.campaign.unread_works import (
    UnreadError,
    decide_unread,
    found_unread,
    keep_unread,
    unread_works,
)
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import LedgerEntry, UnreadDecision
from twig_assets.similarity import PolicyError, read_references

CUT = encoded(scene(seed=4))[:200]


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    """A campaign with a work that can be read and files that cannot."""
    folder = tmp_path / "demo"
    (folder / "references").mkdir(parents=True)
    (folder / "policy.yaml").write_text("")
    (folder / "references" / "good.png").write_bytes(encoded(scene(seed=1)))
    (folder / "references" / "twin.png").write_bytes(encoded(scene(seed=1)))
    (folder / "references" / "cut.png").write_bytes(CUT)
    (folder / "references" / "blank.png").write_bytes(encoded(Image.new("RGB", (64, 64))))
    (folder / "references" / "references.csv").write_text("file,title,rights_holder,licence\nlost.png,Lost,A,none\n")
    return Campaign(name="demo", folder=folder, title="Demo")


def read(session: Session, campaign: Campaign) -> dict[str, str | None]:
    """Read the corpus; file -> who accepted that it is not compared."""
    _, unreadable = read_references(campaign.references_folder)
    keep_unread(session, campaign.name, found_unread(unreadable, campaign.references_folder))
    return {work.file: work.accepted for work in unread_works(session, campaign)}


def accept(session: Session, campaign: Campaign, file: str) -> None:
    decide_unread(session, campaign, file, "accept", "A person", "known")


def test_what_cannot_be_compared_holds_back_and_a_second_copy_does_not(session: Session, campaign: Campaign) -> None:
    assert read(session, campaign) == {"blank.png": None, "cut.png": None, "lost.png": None}
    assert rules_under(session, campaign, "").unread == ("blank.png", "cut.png", "lost.png")
    sentences = {work.file: work.sentence for work in unread_works(session, campaign)}
    assert sentences["blank.png"].startswith("blank.png: shows one colour only")
    assert sentences["lost.png"].startswith("lost.png: cannot be read: ")


def test_a_person_accepts_a_file_and_no_other_and_takes_it_back(session: Session, campaign: Campaign) -> None:
    read(session, campaign)
    accept(session, campaign, "cut.png")
    assert read(session, campaign) == {"blank.png": None, "cut.png": "A person: known", "lost.png": None}
    decide_unread(session, campaign, "cut.png", "lift", "A person", "was wrong")
    assert read(session, campaign)["cut.png"] is None


def test_other_content_has_to_be_accepted_again_and_what_was_mended_is_closed(
    session: Session, campaign: Campaign
) -> None:
    read(session, campaign)
    for file in ("cut.png", "lost.png"):
        accept(session, campaign, file)
    for file in ("cut.png", "lost.png"):
        (campaign.references_folder / file).write_bytes(CUT[:-1])
    assert read(session, campaign) == {"blank.png": None, "cut.png": None, "lost.png": None}
    for file in ("cut.png", "lost.png", "blank.png"):
        (campaign.references_folder / file).write_bytes(encoded(scene(seed=len(file) + len(file[:3]))))
    (campaign.references_folder / "cut.png").write_bytes(CUT)
    assert read(session, campaign) == {"cut.png": "A person: known"}
    assert rules_under(session, campaign, "").complete


def test_the_policy_accepts_the_files_that_it_names(session: Session, campaign: Campaign) -> None:
    read(session, campaign)
    before = rules_under(session, campaign, "").policy_sha256
    campaign.policy_file.write_text("corpus:\n  accept_unread: [blank.png, lost.png]\n")
    assert read(session, campaign) == {
        "blank.png": "named in policy.yaml",
        "cut.png": None,
        "lost.png": "named in policy.yaml",
    }
    assert rules_under(session, campaign, "").policy_sha256 == before
    campaign.policy_file.write_text("corpus:\n  accept: true\n")
    with pytest.raises(PolicyError, match="accept"):
        read(session, campaign)


def test_a_decision_is_chained_and_cannot_be_changed(catalog: Catalog, campaign: Campaign) -> None:
    with catalog.session() as session:
        read(session, campaign)
        accept(session, campaign, "cut.png")
    with catalog.session() as session:
        assert [entry.table_name for entry in session.scalars(select(LedgerEntry))] == ["unread_decision"]
    with pytest.raises(IntegrityError, match="append-only"), catalog.session() as session:
        session.scalars(select(UnreadDecision)).one().why = "other"


@pytest.mark.parametrize(("file", "why"), [("good.png", "known"), ("nowhere.png", "known"), ("cut.png", " ")])
def test_a_decision_about_another_file_or_without_a_reason_is_refused(
    session: Session, campaign: Campaign, file: str, why: str
) -> None:
    read(session, campaign)
    with pytest.raises(UnreadError, match="cut.png|both must say"):
        decide_unread(session, campaign, file, "accept", "A person", why)
