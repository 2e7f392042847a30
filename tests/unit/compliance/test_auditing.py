"""Auditing what has no verdict yet."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image as PillowImage
from sqlalchemy import select, true

from tests.unit.catalog.filled import Filled, digest
from twig_assets.campaign import Campaign
from twig_assets.catalog.database import Catalog, open_catalog
from twig_assets.catalog.models import Audit, CorpusVersion, Image, Reference
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.auditing import Audited, audit_images
from twig_assets.similarity import Policy, audit, read_references
from twig_assets.similarity.corpus.views import first_views


@dataclass
class Setting:
    """A campaign with works and images of two sizes."""

    campaign: Campaign
    catalog: Catalog
    store: ArtifactStore
    reports: list[tuple[int, int]]

    def audit(self) -> Audited:
        return audit_images(
            self.campaign, self.catalog, self.store, true(), "run", lambda *done: self.reports.append(done)
        )

    def add_work(self, name: str, pixels: np.ndarray) -> None:
        PillowImage.fromarray(pixels).save(self.campaign.references_folder / f"{name}.png")
        self.keep_works()

    def keep_works(self) -> None:
        works, _ = read_references(self.campaign.references_folder)
        with self.catalog.session() as session:
            known = set(session.scalars(select(Reference.sha256)))
            works = first_views(works)
            hashes = sorted(work.sha256 for work in works)
            for work in works:
                if work.sha256 not in known:
                    session.add(
                        Reference(
                            campaign="demo",
                            sha256=work.sha256,
                            title=work.title,
                            rights_holder="",
                            licence="",
                            file=work.path.name,
                        )
                    )
            session.add(CorpusVersion(campaign="demo", sha256=digest(str(len(works))), members=hashes))

    def set_policy(self, policy: Policy) -> None:
        self.campaign.policy_file.write_text(yaml.safe_dump(policy.model_dump(mode="json")))

    def audits(self) -> dict[int, Audit]:
        with self.catalog.session() as session:
            return {row.image_id: row for row in session.scalars(select(Audit).order_by(Audit.id))}


def noise(seed: int, side: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    folder = tmp_path / "demo"
    (folder / "references").mkdir(parents=True)
    catalog, store = open_catalog(f"sqlite:///{tmp_path}/catalog.db"), ArtifactStore(str(tmp_path / "artifacts"))
    made = Setting(Campaign(name="demo", folder=folder, title="Demo"), catalog, store, [])
    made.set_policy(Policy())
    made.add_work("a", noise(0))
    made.add_work("b", noise(1))
    with catalog.session() as session:
        filled = Filled(session)
        for attempt, pixels in enumerate([noise(0), noise(5, 64), noise(6)]):
            filled.image(attempt).sha256 = store.put_image(pixels)
    yield made
    catalog.close()


def test_every_image_is_audited_once_whatever_its_size(setting: Setting) -> None:
    audited = setting.audit()
    assert [result.verdict for _, _, result in audited.results] == ["fail", "pass", "pass"]
    assert [pixels.shape[0] for _, pixels, _ in audited.results] == [48, 48, 64]
    assert audited.recall is not None
    assert setting.reports == [(3, 3)]
    rows = setting.audits()
    assert {image.id: result.verdict for image, _, result in audited.results} == {
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
    for image, pixels, result in audited.results:
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
    copy = next(result for image, _, result in audited.results if image.attempt == 2)
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
