"""Auditing what has no verdict yet."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from sqlalchemy import select

from tests.unit.compliance.audited_campaign import Setting, made_setting, noise
from twig_assets.catalog.models import Audit, Image
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.similarity import Policy, audit, read_references


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with made_setting(tmp_path) as made:
        yield made


def test_every_image_is_audited_once_whatever_its_size(setting: Setting) -> None:
    audited = setting.audit()
    assert [result.verdict for _, result in audited.results] == ["fail", "pass", "pass"]
    assert [image.attempt for image, _ in audited.results] == [0, 1, 2]
    assert audited.recall is not None
    assert setting.reports == [(3, 3)]
    rows = setting.audits()
    assert {image.id: result.verdict for image, result in audited.results} == {
        image_id: row.verdict for image_id, row in rows.items()
    }
    again = setting.audit()
    assert (again.results, again.rejudged, again.recall) == ([], 0, None)
    assert len(setting.audits()) == 3


def test_a_changed_limit_is_judged_by_stored_scores(setting: Setting) -> None:
    setting.audit()
    setting.set_policy(Policy(ssim_threshold=0.9))
    audited = setting.audit()
    assert (audited.rejudged, audited.results) == (3, [])


def test_a_work_that_is_added_gives_the_audit_that_the_whole_corpus_gives(setting: Setting) -> None:
    setting.audit()
    setting.add_work("c", noise(6))
    audited = setting.audit()
    works, _ = read_references(setting.campaign.references_folder)
    for image, result in audited.results:
        pixels = setting.store.read_image(image.sha256)
        [whole] = audit(pixels[None], works, Policy(), masks=np.zeros((1, *pixels.shape[:2]), bool))
        assert (result.verdict, result.scores["ssim"]) == (whole.verdict, whole.scores["ssim"])
        assert setting.audits()[image.id].verdict == result.verdict
    assert sorted(result.verdict for *_, result in audited.results) == ["fail", "fail", "pass"]


def test_works_that_changed_since_the_corpus_was_read_are_not_compared_with(setting: Setting) -> None:
    PillowImage.fromarray(noise(9)).save(setting.campaign.references_folder / "new.png")
    with pytest.raises(NotMaterializedError, match="materialize reference_corpus"):
        setting.audit()
    with setting.catalog.session() as session:
        assert len(session.scalars(select(Image)).all()) == 3
    assert setting.audits() == {}


def test_a_work_is_compared_in_all_its_frames_and_stored_under_its_name_with_the_frame(setting: Setting) -> None:
    frames = [PillowImage.fromarray(noise(seed)) for seed in (20, 21, 6)]
    book = setting.campaign.references_folder / "book.tif"
    frames[0].save(book, save_all=True, append_images=frames[1:])
    setting.keep_works()
    audited = setting.audit()
    copy = next(result for image, result in audited.results if image.attempt == 2)
    assert copy.verdict == "fail"
    assert "'book' (page 3)" in copy.reasons[0]
    row = next(row for row in setting.audits().values() if row.verdict == "fail" and "book" in row.reasons[0])
    with setting.catalog.session() as session:
        stored = session.get_one(Audit, row.id)
        assert stored.nearest_reference is not None
        assert stored.nearest_reference.sha256 == hashlib.sha256(book.read_bytes()).hexdigest()
        titles = [match.reference.title for match in stored.matches]
        assert (titles[0], sorted(titles)) == ("book", ["a", "b", "book"])
        assert stored.matches[0].scores["reference_view"] == "page 3"
    setting.set_policy(Policy(ssim_threshold=0.9))
    assert setting.audit().rejudged == 3
    assert any("to 'book' (page 3)" in reason for row in setting.audits().values() for reason in row.reasons)
