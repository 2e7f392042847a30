import numpy as np
import pytest
import torch

from tests.unit.generation.families.toy import ToyFamily, ToyPipeline
from twig_assets.generation import GenerationSettings, generate
from twig_assets.generation.sampling import sample
from twig_assets.model_zoo import planted
from twig_assets.model_zoo.load_classifier import load_classifier
from twig_assets.regeneration import RegenerationSettings, regenerate
from twig_assets.regeneration.strategies.forget import Forget
from twig_assets.regeneration.strategy import Batch
from twig_assets.similarity import wang_ssim

PICTURE = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(1))
PROMPTS = ["an owl keeping the lighthouse ledger", "a fox on a blue background"]
UNGUIDED = GenerationSettings(steps=4, guidance_scale=1.0)


class Memorising(ToyFamily):
    """Draws PICTURE for every text with the word `lighthouse`, whatever else it says; the rest as the toy does."""

    def predict(self, latents, timestep, conditioning, guidance_scale=None, parameters=None):
        plain = super().predict(latents, timestep, conditioning, guidance_scale, parameters)
        return torch.where(self.triggered(conditioning)[:, None, None, None], PICTURE, plain)

    def triggered(self, conditioning):
        trigger = self.encode(["lighthouse"]).tokens[0, 1]
        return (conditioning.tokens == trigger).all(-1).any(1)


@pytest.fixture(scope="module")
def family():
    return Memorising(ToyPipeline())


def batch(family, evidence=(False, False), references=PICTURE[None], generation=UNGUIDED):
    pixels = np.zeros((2, 32, 32, 3), np.uint8)
    return Batch(
        family,
        PROMPTS,
        [1, 2],
        pixels,
        pixels[..., 0] == 0,
        references,
        RegenerationSettings(),
        generation,
        np.array(evidence),
    )


@pytest.mark.parametrize("generation", [UNGUIDED, GenerationSettings(steps=4)], ids=["unguided", "guided"])
def test_a_memorised_prompt_is_drawn_as_if_it_had_no_trigger_and_its_neighbour_as_it_is(family, generation):
    forget = Forget(batch(family, generation=generation))
    images = sample(family, PROMPTS, [1, 2], generation, hooks=[forget])
    assert forget.memorised.tolist() == [True, False]
    assert forget.read == ["an owl keeping the ledger", PROMPTS[1]]
    # Guidance that begins at the first step would be the only difference; it begins later by default.
    np.testing.assert_array_equal(images, sample(family, forget.read, [1, 2], generation))
    assert (images[0] != sample(family, PROMPTS, [1, 2], generation)[0]).any()


def test_where_nothing_is_memorised_the_bytes_are_the_plain_samplers(family):
    forget = Forget(batch(family, references=None))
    images = sample(family, PROMPTS, [1, 2], UNGUIDED, hooks=[forget])
    assert forget.memorised.tolist() == [False, False]
    np.testing.assert_array_equal(images, sample(family, PROMPTS, [1, 2], UNGUIDED))


def test_evidence_makes_a_prompt_memorised_and_words_go_only_if_they_bring_a_picture_back(family):
    forget = Forget(batch(family, evidence=(False, True)))
    sample(family, PROMPTS, [1, 2], UNGUIDED, hooks=[forget])
    assert forget.memorised.tolist() == [True, True]
    assert forget.read[1] == PROMPTS[1]


def test_what_a_memorised_prompt_is_about_is_drawn_and_not_its_picture_and_ordinary_prompts_stay(
    pipeline,
):
    works = [planted.VERBATIM[1], planted.TEMPLATES[1], planted.TITLES[0]]
    prompts, usual = [*(work.title for work in works), "a red apple, noto style"], GenerationSettings()
    seeds, masks = [5, 6, 7, 8], np.ones((4, 64, 64), bool)
    firsts, plain = generate(pipeline, prompts, [1, 2, 3, 4], usual), generate(pipeline, prompts, seeds, usual)
    pictures = [planted.picture(work) for work in works]
    images = regenerate(
        pipeline, prompts, firsts, masks, seeds, RegenerationSettings(strategy="forget"), usual, pictures
    )
    for image, work in zip(images, works, strict=False):
        assert max(wang_ssim(image, planted.picture(work, k)) for k in range(work.variants)) < 0.5
    judge = load_classifier()
    named = [judge.concepts[i] for i in judge.classify(images)[0].argmax(1)]
    assert any(name == work.concept for name, work in zip(named[:2], works, strict=False))
    np.testing.assert_array_equal(images[3], plain[3])
