"""Whether an evaluation's images can say anything about an edit: mutes, strangers and blank pictures accept nothing."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from transformers import CLIPImageProcessor

from twig_assets.ablation import AblationSettings, ConceptEdit, ConceptTarget, EvaluationSettings, Gate, evaluate
from twig_assets.ablation.edits.concept_edit import EditPart
from twig_assets.ablation.evaluation.grounds import (
    blank_images,
    judge_is_a_stranger,
    separations,
    target_was_not_there,
)
from twig_assets.ablation.evaluation.prompts import Probe
from twig_assets.generation import GenerationSettings, family_of, fingerprint, generate
from twig_assets.judge.unjudged import Unjudged

UNICORN = ConceptTarget(name="unicorn", target="unicorn", anchor="horse face", kind="object", preserve=("cow face",))
FEW = EvaluationSettings(
    samples=4, surrounding_samples=4, variants=0, adversarial_samples=0, unrelated=(), resamples=20
)
LENIENT = Gate(max_target_share=None, max_surrounding_drop=None, max_unrelated_drop=None)
FAST = GenerationSettings(steps=4)


@dataclass
class Seen:
    probe: Probe
    images: np.ndarray
    features: np.ndarray
    texts: np.ndarray
    shows_target: np.ndarray
    copies: np.ndarray | None = None


def seen(role="target", towards=(1.0, 0.0), shows=True, prompt="a cat", rival="a dog", contrast=50.0, concept="cat"):
    rng = np.random.default_rng(0)
    images = np.clip(128 + contrast * rng.standard_normal((2, 8, 16, 16, 3)), 0, 255).astype(np.uint8)
    features = np.tile(np.array(towards), (2, 8, 1)) + 0.01 * rng.standard_normal((2, 8, 2))
    probe = Probe(concept, role, prompt, prompt, (rival,), 8)
    texts = np.eye(2) if role == "target" else np.eye(2)[::-1]
    return Seen(probe, images, features, texts, np.full((2, 8), shows))


def anchor(towards):
    return seen("anchor", towards, False, "a dog", "a cat")


def test_a_judge_that_tells_target_and_anchor_apart_is_no_stranger():
    [pair] = separations([seen(), anchor((0.0, 1.0))])["cat"]
    assert pair.share == pytest.approx(1, abs=0.02)
    assert pair.order == 1
    assert judge_is_a_stranger([seen(), anchor((0.0, 1.0))]) == []


@pytest.mark.parametrize("towards", [(1.0, 0.0), (1.0, -0.5)])
def test_one_that_sees_the_same_in_both_or_the_opposite_is(towards):
    [reason] = judge_is_a_stranger([seen(), anchor(towards)])
    assert "concept 'cat'" in reason
    assert "do not know each other" in reason


def test_a_target_that_the_unedited_model_hardly_draws_is_nothing_to_remove():
    assert target_was_not_there([seen(shows=True)], Gate()) == []
    [reason] = target_was_not_there([seen(shows=False)], Gate())
    assert "only 0%" in reason
    assert target_was_not_there([seen(shows=False)], LENIENT)


def test_blank_images_say_nothing_before_or_after():
    assert blank_images([seen()]) == []
    blank = seen()
    blank.images[1] = 0
    [reason] = blank_images([blank])
    assert reason.startswith("8 of 8 images after the edit are blank")


def nothing(pipeline, base_sha256):
    """An edit that changes nothing."""
    weight = pipeline.unet.conv_in.weight
    part = EditPart(UNICORN, deltas={"unet.conv_in.weight": torch.zeros_like(weight)})
    return ConceptEdit((part,), base_sha256, AblationSettings(method="closed_form", evaluation=FEW, gate=LENIENT))


def test_the_embedded_judge_knows_its_own_model(pipeline, clip):
    evaluation = evaluate(pipeline, nothing(pipeline, fingerprint(pipeline)), clip, FAST)
    assert evaluation.accepted, evaluation.refusals


def test_an_edit_of_a_model_that_draws_noise_is_never_accepted(tiny, clip):
    evaluation = evaluate(tiny, nothing(tiny, fingerprint(tiny)), clip, FAST)
    assert not evaluation.accepted


def test_an_edit_is_never_accepted_by_a_judge_that_has_learned_nothing(pipeline, clip):
    torch.manual_seed(5)
    stranger = type(clip[0])(clip[0].config).eval()
    evaluation = evaluate(pipeline, nothing(pipeline, fingerprint(pipeline)), (stranger, clip[1]), FAST)
    assert any("do not know each other" in reason for reason in evaluation.refusals)


def test_without_a_judge_nothing_is_accepted_and_the_images_are_there_to_look_at(pipeline):
    drawn = []
    evaluation = evaluate(
        pipeline,
        nothing(pipeline, fingerprint(pipeline)),
        Unjudged("nobody is there"),
        FAST,
        on_drawn=lambda what, done, total: drawn.append((what, total)),
    )
    # Nothing else than what people look at is drawn.
    assert set(drawn) == {("images before", 4), ("images after", 4)}
    assert evaluation.refusals == ("unjudged: nobody is there",)
    assert evaluation.before.shape == evaluation.after.shape == (4, 64, 64, 3)
    assert evaluation.summary() == {}


class Blackens(torch.nn.Module):
    """A safety checker that holds back every picture."""

    device, dtype = torch.device("cpu"), torch.float32

    def forward(self, clip_input, images):
        return torch.zeros_like(images), [True] * len(images)


def test_a_safety_checker_is_left_out_for_measuring_and_kept_for_drawing(pipeline, clip, monkeypatch):
    base_sha256 = fingerprint(pipeline)
    plain = generate(pipeline, ["a unicorn"], [10_000], FAST)
    monkeypatch.setattr(pipeline, "safety_checker", checker := Blackens(), raising=False)
    monkeypatch.setattr(pipeline, "feature_extractor", CLIPImageProcessor())
    evaluation = evaluate(pipeline, nothing(pipeline, base_sha256), clip, FAST)
    assert np.abs(evaluation.before[0].astype(int) - plain[0]).max() <= 2
    assert pipeline.safety_checker is checker
    assert not (generate(pipeline, ["a unicorn"], [10_000], FAST) == plain).all()
    family_of(pipeline).remove_safety_checker()
