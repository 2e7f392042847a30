"""A family that is added in one file draws, ablates and regenerates, and says what it cannot do."""

import numpy as np
import pytest
import torch

from tests.unit.generation.families.toy import ToyFamily, ToyPipeline
from twig_assets.ablation import AblationSettings, ConceptTarget, ablate, apply, remove
from twig_assets.generation import (
    Capability,
    GenerationSettings,
    MissingCapabilityError,
    PromptTooLongError,
    UnknownFamilyError,
    family_of,
    fingerprint,
    generate,
)
from twig_assets.generation.family import FAMILIES, register
from twig_assets.regeneration import RegenerationSettings, regenerate
from twig_assets.segmentation import bright_ending

FAST = GenerationSettings(steps=4, batch_size=2)
PROMPTS = ["a red fox", "an owl", "a boat"]
FOX = ConceptTarget(name="fox", target="fox", anchor="dog", kind="object", preserve=("owl",))


@pytest.fixture
def toy():
    register(ToyFamily)
    yield ToyPipeline()
    del FAMILIES[ToyPipeline]


def test_a_pipeline_that_no_family_knows_is_refused_with_its_class_and_those_that_are_known():
    with pytest.raises(UnknownFamilyError, match=r"ToyPipeline .* StableDiffusionPipeline, StableDiffusionXLPipeline"):
        generate(ToyPipeline(), ["a fox"], [1])


def test_a_subclass_belongs_to_the_family_of_its_class(toy):
    class Special(ToyPipeline):
        pass

    assert isinstance(family_of(Special()), ToyFamily)


def test_it_draws_each_image_from_its_own_prompt_and_seed(toy):
    images = generate(toy, PROMPTS, [1, 2, 3], FAST)
    assert images.shape == (3, 32, 32, 3)
    np.testing.assert_array_equal(generate(toy, PROMPTS[1:], [2, 3], FAST), images[1:])
    assert (generate(toy, ["a blue fox", "an owl"], [1, 2], FAST)[0] != images[0]).any()
    assert (generate(toy, PROMPTS, [4, 2, 3], FAST)[0] != images[0]).any()
    with pytest.raises(PromptTooLongError, match="reads 12"):
        generate(toy, ["a fox " * 10], [1], FAST)


def test_its_closed_form_edit_reads_the_target_as_the_anchor_and_comes_off_to_the_bit(toy):
    family, base_sha256 = family_of(toy), fingerprint(toy)
    latents, timestep = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor(500)

    @torch.no_grad()
    def predicted(prompt):
        return family.predict(latents, timestep, family.encode([prompt]))

    target, anchor, other = (predicted(prompt) for prompt in ("a fox", "a dog", "an owl"))
    before = generate(toy, ["a fox"], [1], FAST)
    edit = ablate(toy, FOX, AblationSettings(method="closed_form"), base_sha256)
    apply(toy, edit, base_sha256)
    assert (predicted("a fox") - anchor).norm() < 0.5 * (target - anchor).norm()
    assert (predicted("an owl") - other).norm() < 0.5 * (target - anchor).norm()
    assert (generate(toy, ["a fox"], [1], FAST) != before).any()
    remove(toy)
    assert fingerprint(toy) == base_sha256
    np.testing.assert_array_equal(generate(toy, ["a fox"], [1], FAST), before)


@pytest.mark.parametrize("strategy", ["auto", "forget", "move", "vacate", "repel", "references", "delay"])
def test_it_regenerates_with_every_strategy_that_needs_no_attention(toy, strategy):
    firsts, plain = (generate(toy, PROMPTS, seeds, FAST) for seeds in ([1, 2, 3], [7, 8, 9]))
    masks = np.zeros((3, 32, 32), bool)
    masks[:, :, :16] = True
    acting = {"radius": 4.0, "memorised": 0.0, "near_work": 0.0, "until": 0.9, "beginnings": 4}
    settings = RegenerationSettings(strategy=strategy, **acting)
    given = (toy, PROMPTS, firsts, masks, [7, 8, 9])
    images = regenerate(*given, settings, FAST, list(firsts))
    assert (images != plain).any()
    off = settings.model_copy(update={"strength": 0.0})
    np.testing.assert_array_equal(regenerate(*given, off, FAST, list(firsts)), plain)


@pytest.mark.parametrize("strategy", ["suppress", "relocate"])
def test_it_refuses_strategies_that_need_attention_and_says_what_to_do(toy, strategy):
    images, masks = np.zeros((1, 32, 32, 3), np.uint8), np.ones((1, 32, 32), bool)
    message = rf"'{strategy}' needs cross-attention, which a ToyPipeline does not have; choose a strategy other than"
    with pytest.raises(MissingCapabilityError, match=message):
        regenerate(toy, PROMPTS[:1], images, masks, [1], RegenerationSettings(strategy=strategy), FAST)


def test_it_refuses_masks_from_attention(toy):
    with pytest.raises(MissingCapabilityError, match="'bright_ending' needs cross-attention"):
        bright_ending(toy, PROMPTS, [1, 2, 3], FAST)


def test_without_classifier_free_guidance_it_draws_without_and_refuses_to_change_it(toy, monkeypatch):
    guided, unguided = (
        generate(toy, PROMPTS, [1, 2, 3], FAST.model_copy(update={"guidance_scale": s})) for s in (3, 1)
    )
    monkeypatch.setattr(ToyFamily, "capabilities", frozenset())
    np.testing.assert_array_equal(generate(toy, PROMPTS, [1, 2, 3], FAST), unguided)
    assert (guided != unguided).any()
    with pytest.raises(MissingCapabilityError, match="'delay' needs classifier-free guidance"):
        regenerate(
            toy, PROMPTS, guided, np.ones((3, 32, 32), bool), [1, 2, 3], RegenerationSettings(strategy="delay"), FAST
        )


def test_other_modules_stand_in_place_of_components_while_the_block_runs(toy):
    family, encoder = family_of(toy), toy.text_encoder
    other = torch.nn.Embedding(500, 256)
    with family.replaced({"text_encoder": other}):
        assert family.text_encoders()["text_encoder"] is other
    assert toy.text_encoder is encoder


def test_what_is_claimed_and_not_exposed_is_an_error_of_the_family(toy, monkeypatch):
    monkeypatch.setattr(ToyFamily, "capabilities", frozenset({Capability.CROSS_ATTENTION}))
    with pytest.raises(NotImplementedError, match="ToyFamily claims cross-attention"):
        family_of(toy).cross_attention(lambda processor: processor)
