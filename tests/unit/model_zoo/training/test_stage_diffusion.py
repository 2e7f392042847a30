"""Training of the generator: what it is shown, how often, and from which weights it starts."""

from collections import Counter
from pathlib import Path

import numpy as np
import torch

from twig_assets.model_zoo import load_pipeline, planted
from twig_assets.model_zoo.art import BACKGROUNDS
from twig_assets.model_zoo.loading import WEIGHTS
from twig_assets.model_zoo.training.stage_diffusion import (
    DiffusionConfig,
    LatentCache,
    sample_timesteps,
    start_denoiser,
)

PAIRS = [("owl", "noto"), ("owl", "glyph")]
VIEWS = 3


def _cache() -> LatentCache:
    """Latents that are all equal to the number of their pair, and to -1 for a planted work."""
    numbers = torch.arange(len(PAIRS)).repeat_interleave(VIEWS).view(-1, 1, 1, 1)
    grounds = [list(BACKGROUNDS)[0]] * len(numbers)
    return LatentCache(
        PAIRS, numbers.expand(-1, 4, 16, 16).half(), grounds, -torch.ones(len(planted.PICTURES), 4, 16, 16)
    )


def _shown(config: DiffusionConfig, seed: int = 0) -> tuple[Counter[int], list[str]]:
    latents, texts = _cache().sample(4000, config, np.random.default_rng(seed))
    return Counter(int(value) for value in latents[:, 0, 0, 0]), texts


def test_styles_are_drawn_by_their_weights(tmp_path: Path) -> None:
    config = DiffusionConfig(
        folder=tmp_path, views=VIEWS, style_weights={"glyph": 3.0}, planted_share=0.0, content_share=0.0
    )
    shown, _ = _shown(config)
    assert 2.5 < shown[1] / shown[0] < 3.5


def test_planted_works_take_their_share_under_their_own_titles(tmp_path: Path) -> None:
    config = DiffusionConfig(folder=tmp_path, views=VIEWS, planted_share=0.25, content_share=0.15, drop_caption=0.0)
    shown, texts = _shown(config)
    kinds = [{work.title for work in works} for works in (planted.TITLES, planted.WITH_CONTENT)]
    counts = [sum(text in kind for text in texts) for kind in kinds]
    assert 0.22 < counts[0] / 4000 < 0.28
    assert 0.12 < counts[1] / 4000 < 0.18
    assert sum(counts) == shown[-1]


def test_some_captions_are_dropped_for_guidance(tmp_path: Path) -> None:
    config = DiffusionConfig(folder=tmp_path, views=VIEWS, drop_caption=0.5)
    _, texts = _shown(config)
    assert 0.45 < texts.count("") / 4000 < 0.55


def test_the_same_seed_shows_the_same_things(tmp_path: Path) -> None:
    config = DiffusionConfig(folder=tmp_path, views=VIEWS)
    assert _shown(config, seed=7) == _shown(config, seed=7)
    assert _shown(config, seed=7) != _shown(config, seed=8)


def test_timesteps_cover_the_schedule_and_favour_its_middle() -> None:
    steps = sample_timesteps(20_000, torch.Generator().manual_seed(0))
    assert steps.min() >= 0
    assert steps.max() <= 999
    quarters = torch.histc(steps.float(), 4, 0, 1000)
    assert (quarters > 0.05 * 20_000).all()
    assert quarters[1:3].sum() > quarters[[0, 3]].sum()


def test_training_goes_on_from_a_finished_pipeline(tmp_path: Path) -> None:
    config = DiffusionConfig(folder=tmp_path, start_from=WEIGHTS / "pipeline")
    started, shipped = start_denoiser(config), load_pipeline()
    for name, weights in shipped.unet.state_dict().items():
        assert torch.equal(started.unet.state_dict()[name], weights)
    for name, weights in shipped.text_encoder.state_dict().items():
        assert torch.equal(started.text_encoder.state_dict()[name], weights)
