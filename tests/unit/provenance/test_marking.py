"""Images are marked before they are kept, so that what is audited and published is the marked picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from tests.unit.catalog.filled import BATCH, Filled
from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import generated_settings, segmenter_name
from twig_assets.catalog.database import Catalog, open_catalog
from twig_assets.catalog.models import Image, Mask, Model, Watermark
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.attempts import Batch, Marked, drawing, first_images
from twig_assets.compliance.attempts import second_images as second
from twig_assets.compliance.attempts.first_images import draw_first_images
from twig_assets.compliance.attempts.second_images import draw_second_images
from twig_assets.provenance.marking import marker
from twig_assets.provenance.watermark import LatticeWatermark, WatermarkError, create_key
from twig_assets.segmentation import Segmentation

DRAWN = np.random.default_rng(1).integers(60, 200, (64, 64, 3), dtype=np.uint8)


@dataclass
class Setting:
    """A batch of one prompt, with a key; models draw DRAWN."""

    campaign: Campaign
    catalog: Catalog
    store: ArtifactStore
    filled: Filled
    keys: Path

    def policy(self, text: str) -> None:
        self.campaign.policy_file.write_text(text)

    def batch(self) -> Batch:
        return Batch(BATCH, self.campaign, self.catalog, self.store, "run", marker(self.campaign.policy_file))

    def kept(self, stage: str) -> tuple[np.ndarray, Watermark | None]:
        """The picture of a stage as it is kept, and its mark."""
        with self.catalog.session() as session:
            image = session.scalars(select(Image).where(Image.stage == stage)).one()
            marks = session.scalars(select(Watermark).where(Watermark.image_id == image.id))
            return self.store.read_image(image.sha256), marks.one_or_none()


class _Objects:
    """A segmenter that finds nothing."""

    def __init__(self, *_arguments: Any) -> None:
        self.objects = None

    def segmentations(self, pictures: Sequence[np.ndarray]) -> list[Segmentation]:
        nothing = np.zeros((64, 64), bool)
        return [Segmentation("empty", nothing, nothing.astype(np.float32), 0.0, []) for _ in pictures]


class _NoWorks:
    def near(self, *_arguments: Any) -> list[Any]:
        return []


def _regenerate(*_arguments: Any, on_figures: Any, **_named: Any) -> np.ndarray:
    on_figures([{}])
    return DRAWN[None]


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    keys = tmp_path / "keys"
    monkeypatch.setenv("TWIG_KEYS", str(keys))
    (tmp_path / "demo").mkdir()
    campaign = Campaign(name="demo", folder=tmp_path / "demo", title="Demo")
    campaign.policy_file.write_text("")
    catalog, store = open_catalog(f"sqlite:///{tmp_path}/catalog.db"), ArtifactStore(str(tmp_path / "artifacts"))
    with catalog.session() as session:
        filled = Filled(session)
        model = Model(sha256=filled.rules.model_sha256, checkpoint="embedded", base_sha256="b" * 64, edits=[])
        session.add(model)
    for module in (first_images, second):
        monkeypatch.setattr(module, "rules_in_force", lambda *_: (model, filled.rules))
    monkeypatch.setattr(drawing, "generate", lambda *_: DRAWN[None])
    monkeypatch.setattr(drawing, "regenerate", _regenerate)
    monkeypatch.setattr(drawing, "RememberingSegmenter", _Objects)
    monkeypatch.setattr(second, "near_works", lambda *_: _NoWorks())
    yield Setting(campaign, catalog, store, filled, keys)
    catalog.close()


class _Models:
    def serving(self, *_arguments: Any) -> None:
        return None

    segmenter = serving


def draw_first(setting: Setting) -> None:
    draw_first_images(setting.batch(), _Models(), lambda *_: None)


def draw_second(setting: Setting) -> None:
    with setting.catalog.session() as session:
        setting.filled.session = session
        first = setting.filled.image(stage="generated", sha256=setting.store.put_image(DRAWN))
        session.add(Mask(image_id=first.id, segmenter=segmenter_name(setting.campaign), outcome="empty", area=0.0))
    draw_second_images(setting.batch(), _Models(), lambda *_: None)


def test_a_second_image_is_kept_with_its_mark(setting: Setting) -> None:
    key = create_key(setting.keys)
    draw_second(setting)
    picture, mark = setting.kept("regenerated")
    assert mark is not None
    assert (mark.method, mark.key_id) == ("lattice-1", key.id)
    assert mark.psnr >= 38
    reading = LatticeWatermark(key).read(picture)
    assert reading is not None
    assert reading.payload.hex() == mark.payload
    assert not (picture == DRAWN).all()


def test_without_a_key_images_are_kept_as_they_were_drawn(setting: Setting) -> None:
    draw_second(setting)
    picture, mark = setting.kept("regenerated")
    assert mark is None
    assert (picture == DRAWN).all()


@pytest.mark.parametrize("published", [False, True])
def test_a_first_image_is_marked_if_it_may_be_published(setting: Setting, published: bool) -> None:
    create_key(setting.keys)
    setting.filled.rules = replace(setting.filled.rules, first_images=published)
    draw_first(setting)
    picture, mark = setting.kept("generated")
    assert (mark is not None) == published
    assert (picture == DRAWN).all() != published


def test_the_policy_can_leave_images_unmarked(setting: Setting) -> None:
    create_key(setting.keys)
    setting.policy("watermark: {use: never}")
    assert marker(setting.campaign.policy_file) is Marked


def test_always_needs_a_key_and_makes_images_without_a_mark_count_no_more(setting: Setting) -> None:
    before = generated_settings(setting.campaign)
    setting.policy("watermark: {use: always}")
    assert generated_settings(setting.campaign) != before
    with pytest.raises(WatermarkError, match="twig keys create"):
        marker(setting.campaign.policy_file)


def test_a_picture_without_room_is_kept_unmarked_unless_the_mark_is_needed(setting: Setting) -> None:
    create_key(setting.keys)
    small = DRAWN[:40]
    assert marker(setting.campaign.policy_file)(small).watermark is None
    setting.policy("watermark: {use: always}")
    with pytest.raises(WatermarkError, match="too small"):
        marker(setting.campaign.policy_file)(small)


def test_the_same_picture_gets_the_same_bytes(setting: Setting) -> None:
    create_key(setting.keys)
    first, again = (marker(setting.campaign.policy_file)(DRAWN) for _ in range(2))
    assert (first.pixels == again.pixels).all()
    assert first.watermark == again.watermark
