import pytest
import torch

from tests.unit.regeneration.strategies.batches import batch, prediction
from twig_assets.generation import GenerationSettings
from twig_assets.generation.steering import Step
from twig_assets.regeneration.strategies.forget import Forget

FIRST = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1))
OTHER = torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(2))
PROMPTS = ("a fox", "an owl")


def forgetting(pipeline, **settings):
    return Forget(batch(pipeline, PROMPTS, first_latents=FIRST, delay_until=0.5, delay_scale=-2.0, **settings))


def test_what_is_memorised_is_cleared_at_the_first_step_and_what_is_ordinary_is_left_alone(pipeline):
    forget = forgetting(pipeline, neutral="")
    start = prediction(torch.stack([FIRST[0], OTHER]))
    cleared = forget.steer(start).clean
    assert forget.memorised.tolist() == [True, False]
    assert not cleared[0].any()
    assert torch.equal(cleared[1], OTHER)
    later = prediction(FIRST, index=1)
    assert forget.steer(later) is later


def test_what_is_memorised_gets_opposite_guidance_and_then_none(pipeline):
    forget = forgetting(pipeline, neutral="")
    assert forget.scales(0.0) is None
    assert forget.neutral_rows(0.0) is None
    forget.steer(prediction(torch.stack([FIRST[0], OTHER])))
    scales = [forget.scales(progress) for progress in (0.1, 0.5)]
    assert [float(scale[0]) for scale in scales] == [-2, 0]
    assert [bool(scale[1].isnan()) for scale in scales] == [True, True]
    without, prompted = torch.zeros(2, 4, 16, 16), torch.ones(2, 4, 16, 16)
    guided = forget.guide(Step(1, 10, torch.tensor(0), 3.0), without, prompted)
    torch.testing.assert_close(3.0 * guided[0], torch.full_like(guided[0], -2))
    assert torch.equal(guided[1], prompted[1])


def test_the_neutral_prompt_is_first_what_opposite_guidance_starts_from_and_then_in_place_of_the_prompt(pipeline):
    forget = forgetting(pipeline)
    forget.steer(prediction(torch.stack([FIRST[0], OTHER])))
    assert forget.neutral_rows(0.1).tolist() == [True, False, False, False]
    assert forget.neutral_rows(0.5).tolist() == [False, False, True, False]
    assert forget.scales(0.5) is None, "guidance towards the neutral prompt is the usual one"
    family = forget.batch.family
    own, neutral = family.encode(["", "", *PROMPTS]), family.encode([forget.batch.settings.neutral])
    read = forget.condition(Step(5, 10, torch.tensor(0)), own)
    assert torch.equal(read.tokens[2], neutral.tokens[0])
    assert torch.equal(read.tokens[[0, 1, 3]], own.tokens[[0, 1, 3]])


def test_ordinary_prompts_keep_their_guidance(pipeline):
    forget = forgetting(pipeline)
    start = prediction(torch.stack([OTHER, OTHER]))
    assert forget.steer(start) is start
    assert forget.scales(0.5) is None
    assert forget.neutral_rows(0.5) is None


def test_guidance_that_is_off_is_refused():
    Forget.check(GenerationSettings(), 0)
    with pytest.raises(ValueError, match="leaves no guidance to change"):
        Forget.check(GenerationSettings(guidance_scale=1.0), 0)
