"""A large corpus is audited by its index, with the verdicts that comparing with every work gives."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image as PillowImage
from sqlalchemy import select

from tests.unit.compliance.audited_campaign import Setting, made_setting, noise
from tests.unit.similarity.index.conftest import drawing
from twig_assets.campaign.allowed_elements import allow
from twig_assets.catalog.models import Audit, Reference
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.compliance.attempts.near_works import near_works
from twig_assets.similarity import Policy, audit, opened_sources, read_references
from twig_assets.similarity.detectors.copies import TRANSFORMS, transformed
from twig_assets.similarity.index.audited import IndexedWorks, audit_indexed
from twig_assets.similarity.index.build import build_index, works_in
from twig_assets.similarity.index.reader import CorpusIndex

POLICY = Policy(sscd_network="none")


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    monkeypatch.setenv("TWIG_HOME", str(tmp_path / "home"))
    with made_setting(tmp_path) as made:
        use_index(made, always=True)
        yield made


def use_index(setting: Setting, always: bool) -> None:
    fields: dict[str, Any] = POLICY.model_dump(mode="json")
    fields["corpus"] = {"indexed_from": 0 if always else 10_000}
    setting.campaign.policy_file.write_text(yaml.safe_dump(fields))


def test_the_verdicts_are_those_of_comparing_with_every_work(setting: Setting) -> None:
    by_index = setting.audit()
    assert [result.verdict for _, result in by_index.results] == ["fail", "pass", "pass"]
    works, _ = read_references(setting.campaign.references_folder)
    for image, result in by_index.results:
        pixels = setting.store.read_image(image.sha256)
        [whole] = audit(pixels[None], works, POLICY, masks=np.zeros((1, *pixels.shape[:2]), bool), labels=["x"])
        assert result.nearest is not None
        assert whole.nearest is not None
        assert result.nearest.sha256 == whole.nearest.sha256
        assert (result.verdict, result.scores, result.matches) == (whole.verdict, whole.scores, whole.matches)
    assert by_index.recall is not None
    assert by_index.recall.exact
    assert by_index.recall.found > 12


def test_only_what_is_added_is_compared_with(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    setting.audit()
    setting.add_work("c", noise(6))
    searches: list[int] = []
    kept = IndexedWorks.candidates
    monkeypatch.setattr(
        IndexedWorks,
        "candidates",
        lambda works, images, *rest, **by: (searches.append(1), kept(works, images, **by))[1],
    )
    audited = setting.audit()
    # Those of copies that are planted to see what is found.
    assert len(searches) == len(TRANSFORMS)
    assert audited.recall is not None
    assert sorted(row.verdict for row in setting.audits().values()) == ["fail", "fail", "pass"]


def test_works_that_changed_since_the_corpus_was_read_are_not_compared_with(setting: Setting) -> None:
    PillowImage.fromarray(noise(9)).save(setting.campaign.references_folder / "new.png")
    with pytest.raises(NotMaterializedError, match="materialize reference_corpus"):
        setting.audit()
    (setting.campaign.references_folder / "new.png").write_text("no picture")
    with pytest.raises(NotMaterializedError, match="materialize reference_corpus"):
        setting.audit()
    assert setting.audits() == {}


def test_a_copy_inside_the_mask_alone_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "works"
    folder.mkdir()
    for seed in range(12):
        PillowImage.fromarray(drawing(seed, 128)).save(folder / f"{seed:02}.png")
    build_index(tmp_path / "index", works_in([folder]), [], lambda done, total: None)
    image, mask = drawing(50, 128).copy(), np.zeros((128, 128), bool)
    mask[20:108, 20:108] = True
    image[mask] = drawing(7, 128)[mask]
    [found] = IndexedWorks(CorpusIndex(tmp_path / "index"), POLICY).candidates([image], [mask])
    assert 7 in found


def test_the_demos_works_get_the_verdicts_of_today(tmp_path: Path) -> None:
    folder = Path("campaigns/demo/references")
    works, _ = read_references(folder)
    build_index(tmp_path / "index", works_in([folder]), opened_sources(POLICY.model_dump()), lambda done, total: None)
    rng = np.random.default_rng(3)
    images = [
        np.asarray(PillowImage.fromarray(copy).resize((96, 96)))
        for i, name in enumerate(TRANSFORMS)
        for copy in [transformed(works[i % len(works)].pixels, name, rng, drawing(90 + i, 192))]
    ]
    images += [drawing(seed, 96) for seed in range(4)]
    whole = audit(np.stack(images), works, POLICY)
    indexed = audit_indexed(images, IndexedWorks(CorpusIndex(tmp_path / "index"), POLICY))
    assert [result.verdict for result in indexed] == [result.verdict for result in whole]
    assert [result.reasons for result in indexed] == [result.reasons for result in whole]
    assert [result.scores["ssim"] for result in indexed] == [result.scores["ssim"] for result in whole]
    assert {result.verdict for result in whole} >= {"fail", "pass"}


def test_second_images_are_kept_away_from_the_same_works(setting: Setting) -> None:
    for seed in range(20, 26):
        setting.add_work(f"drawing {seed}", drawing(seed))
    images = np.stack([drawing(22), noise(1, 96)])
    by_index = near_works(setting.campaign).near(images, 3)
    use_index(setting, always=False)
    in_memory = near_works(setting.campaign).near(images, 3)
    assert {work.path.name for work in by_index} >= {"drawing 22.png"}
    assert [work.path.name for work in by_index] == [work.path.name for work in in_memory]


def test_without_an_allowed_work_the_verdicts_are_those_of_comparing_with_every_other_work(setting: Setting) -> None:
    setting.audit()
    [copied] = [row for row in setting.audits().values() if row.verdict == "fail"]
    with setting.catalog.session() as session:
        work = session.get_one(Reference, copied.nearest_reference_id)
        allow(session, setting.campaign.name, work.sha256, "licensed", "Ada", "our own")
        allowed = work.sha256
    assert setting.audit().allowed == 1
    with setting.catalog.session() as session:
        [rest] = session.scalars(select(Audit).where(Audit.allowed.is_not(None)))
        assert rest.reasons[0].startswith("allowed: the whole of")
        pixels = setting.store.read_image(rest.image.sha256)
        works = [work for work in read_references(setting.campaign.references_folder)[0] if work.sha256 != allowed]
        [whole] = audit(pixels[None], works, POLICY, masks=np.zeros((1, *pixels.shape[:2]), bool), labels=["x"])
        assert (rest.verdict, rest.scores) == (whole.verdict, whole.scores)
        assert allowed not in {match.reference.sha256 for match in rest.matches}
