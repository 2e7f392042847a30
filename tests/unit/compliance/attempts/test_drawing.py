"""What a worker opens, and when."""

from pathlib import Path

import numpy as np
import pytest

from twig_assets.campaign import Campaign
from twig_assets.campaign.campaign import SegmenterChoice
from twig_assets.catalog.models import Model
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.attempts.drawing import FirstChunk, MaskChunk, drawing_context, drawn_firsts, masked_firsts
from twig_assets.settings.masks import MaskSettings

BARE = np.full((1, 64, 64, 3), 200, np.uint8)


def test_a_worker_that_makes_masks_opens_no_generator(tmp_path: Path) -> None:
    # With this fingerprint, whoever opens the generator is refused.
    model = Model(base_sha256="0" * 64, edits=[])
    campaign = Campaign(name="demo", folder=tmp_path, title="Demo")
    context = drawing_context(campaign, model, ArtifactStore(str(tmp_path)))
    drawing = context.opens(context.settings)
    [mask] = masked_firsts(drawing, MaskChunk(["a wall"], [1], BARE, MaskSettings()))
    assert (mask.source, mask.segmentation.outcome) == ("automatic", "empty")
    with pytest.raises(NotMaterializedError, match="is another model here"):
        drawn_firsts(drawing, FirstChunk(["a wall"], [1]))


def test_a_worker_is_told_the_whole_choice_of_a_segmenter(tmp_path: Path) -> None:
    chosen = SegmenterChoice(kind="sam2", checkpoint=Path("facebook/sam2.1-hiera-tiny"), revision="a1b2")
    campaign = Campaign(name="demo", folder=tmp_path, title="Demo", segmenter=chosen, device="cpu")
    settings = drawing_context(campaign, Model(base_sha256="0" * 64, edits=[]), ArtifactStore(str(tmp_path))).settings
    assert (settings.segmenter, settings.device) == (chosen, "cpu")
