"""What the lineage of an image says of its adherence, and of why it was drawn again."""

import io

import pytest
from rich.console import Console
from sqlalchemy.orm import Session

from tests.unit.catalog.filled import Filled
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import Image
from twig_assets.catalog.releases import PublishedFile, release_image
from twig_assets.evidence.lineage import Lineage, find_image, read_lineage
from twig_assets.evidence.lineage_runs import ImageLineage
from twig_assets.evidence.lineage_tree import lineage_tree


@pytest.fixture
def filled(session: Session) -> Filled:
    return Filled(session)


def text(lineage: Lineage) -> str:
    console = Console(width=1000, file=io.StringIO())
    whole = ImageLineage(**dict(lineage), runs=[], rules_problem=None, mlflow_problem=None)
    console.print(lineage_tree(whole))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_every_verdict_on_adherence_is_there_with_its_ledger_entry(catalog: Catalog) -> None:
    with catalog.session() as session:
        filled = Filled(session)
        image_id = filled.image().id
        filled.audit(session.get_one(Image, image_id), "pass", "not_as_asked")
        filled.adherence(session.get_one(Image, image_id), "as_asked")
    with catalog.session() as session:
        lineage = read_lineage(session, session.get_one(Image, image_id), filled.rules)
    assert [one.verdict for one in lineage.adherence] == ["not_as_asked", "as_asked"]
    entries = [one.ledger_entry for one in lineage.adherence]
    assert None not in entries
    assert len(set(entries)) == 2
    assert lineage.run_ids["run"] == [
        "image",
        f"audit {lineage.audits[0].id}",
        *(f"verdict on adherence {one.id}" for one in lineage.adherence),
    ]
    said = text(lineage)
    assert f"adherence {lineage.adherence[0].id} not_as_asked" in said
    assert f"ledger entry {entries[1]}, judge {filled.rules.judge_sha256[:12]}, threshold 0.0" in said


def test_a_rerun_says_why_and_with_what(filled: Filled) -> None:
    image = filled.image(1)
    assert "drawn again" not in text(read_lineage(filled.session, image, filled.rules))
    applied = {"reason": "lost_subject", "evidence": False, "regeneration": {"strength": 0.5}}
    image.settings = {"applied": applied}
    said = text(read_lineage(filled.session, image, filled.rules))
    assert "drawn again for lost_subject, when no image of its prompt had been found to be a copy" in said
    assert "with strength 0.5" in said
    assert "nobody has judged whether it shows its prompt" in said


def test_a_release_names_its_file_and_who_signed_it_and_is_found_by_that_file(filled: Filled) -> None:
    audit = filled.judged("pass")
    file = PublishedFile("fe" * 32, {"signer": "test signer", "test": True, "time_stamp": None})
    release_image(filled.session, audit.image.prompt_id, audit.image_id, audit.id, file)
    filled.session.flush()
    assert find_image(filled.session, "fefefefe").id == audit.image_id
    printed = text(read_lineage(filled.session, audit.image, filled.rules))
    assert f"signed by test signer (a test key), without a time stamp: {'fe' * 32}" in printed
