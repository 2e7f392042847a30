import numpy as np
import pytest

from twig_assets.generation import GenerationSettings, generate
from twig_assets.regeneration import NoReferencesError, RegenerationSettings, regenerate
from twig_assets.regeneration.strategy import known_strategies

FAST = GenerationSettings(steps=5, batch_size=4)
PROMPTS = ["a red apple, noto style on a blue background", "a fox, twemoji style on a white background"]
SEEDS = [7, 8]


@pytest.fixture(scope="module")
def firsts(pipeline):
    return generate(pipeline, PROMPTS, [1, 2], FAST)


@pytest.fixture(scope="module")
def plain(pipeline):
    return generate(pipeline, PROMPTS, SEEDS, FAST)


@pytest.fixture
def left_half():
    masks = np.zeros((2, 64, 64), bool)
    masks[:, :, :32] = True
    return masks


def strategies(*names, **fields):
    return RegenerationSettings(strategy=names if len(names) > 1 else names[0], **fields)


@pytest.mark.parametrize("strategy", known_strategies())
def test_strength_zero_gives_the_plain_samplers_bytes(pipeline, firsts, plain, left_half, strategy):
    off = RegenerationSettings(strategy=strategy, strength=0)
    np.testing.assert_array_equal(regenerate(pipeline, PROMPTS, firsts, left_half, SEEDS, off, FAST), plain)


@pytest.mark.parametrize("strategy", sorted({*known_strategies()} - {"forget"}))
def test_every_strategy_but_forget_changes_the_image_and_does_so_again_in_the_same_way(
    pipeline, firsts, plain, left_half, strategy
):
    settings = RegenerationSettings(strategy=strategy, radius=4.0, until=0.9, near_work=0.0)
    given = (pipeline, PROMPTS, firsts, left_half, SEEDS, settings, FAST, list(firsts))
    images = regenerate(*given)
    assert (images != plain).any(axis=(1, 2, 3)).all()
    np.testing.assert_array_equal(regenerate(*given), images)


def test_far_from_first_image_and_references_nothing_changes_at_all(pipeline, firsts, plain, left_half):
    near_nothing = strategies("repel", "references", radius=0.0)
    images = regenerate(pipeline, PROMPTS, firsts, left_half, SEEDS, near_nothing, FAST, list(firsts))
    np.testing.assert_array_equal(images, plain)


def test_an_image_does_not_depend_on_its_neighbours(pipeline, firsts, left_half):
    settings = strategies("auto")
    both = regenerate(pipeline, PROMPTS, firsts, left_half, SEEDS, settings, FAST)
    alone = regenerate(pipeline, PROMPTS[1:], firsts[1:], left_half[1:], SEEDS[1:], settings, FAST)
    assert np.abs(both[1].astype(int) - alone[0]).max() <= 2


def test_the_masked_half_is_emptier_than_in_a_plain_draw(pipeline, firsts, plain, left_half):
    cleared = regenerate(pipeline, PROMPTS, firsts, left_half, SEEDS, strategies("vacate", until=1.0), FAST)
    assert cleared[:, 8:-8, :24].std(axis=(1, 2)).mean() < plain[:, 8:-8, :24].std(axis=(1, 2)).mean()


def test_delayed_guidance_of_the_usual_scale_is_the_plain_sampler(pipeline, firsts, left_half):
    early = FAST.model_copy(update={"guidance_from": 0.0})
    usual = strategies("delay", delay_scale=early.guidance_scale, delay_until=1.0)
    images = regenerate(pipeline, PROMPTS, firsts, left_half, SEEDS, usual, early)
    assert np.abs(images.astype(int) - generate(pipeline, PROMPTS, SEEDS, early)).max() <= 1


def test_without_guidance_to_the_end_the_prompt_does_not_matter(pipeline, firsts, left_half):
    none = strategies("delay", delay_scale=0.0, delay_until=1.0)
    plain = FAST.model_copy(update={"guidance_rescale": 0.0})
    images = regenerate(pipeline, PROMPTS, firsts, left_half, SEEDS, none, plain)
    others = regenerate(pipeline, ["a guitar", "a cake"], firsts, left_half, SEEDS, none, plain)
    assert np.abs(images.astype(int) - others).max() <= 1


@pytest.mark.parametrize("strategy", ["auto", "delay", "suppress", "relocate"])
def test_the_pipeline_itself_stays_as_it_was(pipeline, firsts, plain, left_half, strategy):
    scheduler, processors = pipeline.scheduler, dict(pipeline.unet.attn_processors)
    regenerate(pipeline, PROMPTS, firsts, left_half, SEEDS, strategies(strategy), FAST)
    assert pipeline.scheduler is scheduler
    assert pipeline.unet.attn_processors == processors
    np.testing.assert_array_equal(generate(pipeline, PROMPTS, SEEDS, FAST), plain)


def test_an_empty_mask_is_refused(pipeline, firsts, left_half):
    left_half[1] = False
    with pytest.raises(ValueError, match="mask 1 .* is empty"):
        regenerate(pipeline, PROMPTS, firsts, left_half, SEEDS, None, FAST)


def test_a_mask_of_another_size_is_refused(pipeline, firsts, left_half):
    with pytest.raises(ValueError, match="must have the model's size"):
        regenerate(pipeline, PROMPTS, firsts, left_half[:, :32], SEEDS, None, FAST)


def test_keeping_away_from_no_references_is_refused(pipeline, firsts, left_half):
    with pytest.raises(NoReferencesError, match="give references"):
        regenerate(pipeline, PROMPTS, firsts, left_half, SEEDS, strategies("references"), FAST)


def test_changing_guidance_that_is_off_is_refused(pipeline, firsts, left_half):
    off = FAST.model_copy(update={"guidance_scale": 1.0})
    with pytest.raises(ValueError, match="leaves no guidance to change"):
        regenerate(pipeline, PROMPTS, firsts, left_half, SEEDS, strategies("delay"), off)


def test_evidence_for_another_number_of_prompts_is_refused(pipeline, firsts, left_half):
    with pytest.raises(ValueError, match="give one bool for each prompt"):
        regenerate(pipeline, PROMPTS, firsts, left_half, SEEDS, None, FAST, evidence=[True])
