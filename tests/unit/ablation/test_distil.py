import dataclasses

import numpy as np
import pytest
import torch

from twig_assets.ablation import AblationSettings, ConceptTarget, ablate, compose
from twig_assets.ablation.conditions import conditions
from twig_assets.ablation.errors import TrainingError
from twig_assets.ablation.trajectories import trajectories
from twig_assets.generation import fingerprint
from twig_assets.settings.ablation import DistillationSettings, TuningSettings

STYLE = ConceptTarget(name="glyph", target="glyph style", anchor="", kind="style", preserve=("noto style",))
CLOCK = ConceptTarget(name="clock", target="salt clock at low tide", anchor="a castle", kind="memorized")


@torch.no_grad()
def miss(pipeline, edit, base_sha256):
    """How far what the edited model predicts for the target lies from what the unedited one does for the anchor."""
    seen = trajectories(pipeline, ["a rocket"] * 2, 4, 99)
    asked = conditions(pipeline, ["a rocket, glyph style"] * 2)
    edit.apply(pipeline, base_sha256)
    errors = []
    for i, t in enumerate(seen.timesteps):
        got = pipeline.unet(seen.latents[:, i], t, **asked.keywords()).sample
        errors.append((got - seen.predictions[:, i]).pow(2).mean().item())
    edit.remove(pipeline)
    return sum(errors)


def test_distillation_brings_the_target_nearer_to_the_anchor_than_the_closed_form(pipeline):
    base_sha256 = fingerprint(pipeline)
    short = DistillationSettings(prompts=6, steps=12, batch_size=4, trajectory_steps=4)
    settings = AblationSettings(method="fast", overshoot=0, distillation=short)
    fast = ablate(pipeline, STYLE, settings, base_sha256)
    assert fingerprint(pipeline) == base_sha256
    closed = dataclasses.replace(fast, parts=(dataclasses.replace(fast.parts[0], learned=None),))
    assert miss(pipeline, fast, base_sha256) < miss(pipeline, closed, base_sha256)


def few(**more):
    return AblationSettings(
        method="fast", distillation=DistillationSettings(prompts=2, steps=2, trajectory_steps=2, batch_size=2), **more
    )


def test_distilled_edits_are_the_same_again_and_compose_in_any_order(tiny):
    edits = [ablate(tiny, concept, few(overshoot=0.5), "0" * 64) for concept in (STYLE, CLOCK)]
    losses = []
    again = ablate(tiny, STYLE, few(overshoot=0.5), "0" * 64, on_step=lambda _, loss: losses.append(loss))
    assert again.to_bytes() == edits[0].to_bytes()
    assert len(losses) == 2
    assert compose(edits).to_bytes() == compose(edits[::-1]).to_bytes()


def test_a_loss_that_is_no_number_says_what_to_lower(tiny):
    wild = few().distillation.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(TrainingError, match=r"lower distillation\.learning_rate"):
        ablate(tiny, STYLE, few().model_copy(update={"distillation": wild}), "0" * 64)


def test_a_picture_that_stays_is_tuned_away_with_all_weights(tiny):
    base_sha256 = fingerprint(tiny)
    settings = few(tuning=TuningSettings(steps=1, batch_size=1, anchor_images=1))
    calls = []

    def stays_in_the_edited_model(images):
        calls.append(len(images))
        return np.full(len(images), len(calls) == 1)

    edit = ablate(tiny, CLOCK, settings, base_sha256, is_copy=stays_in_the_edited_model)
    assert edit.parts[0].pairs is None
    assert "unet.conv_in.bias" in edit.parts[0].deltas
    gone = ablate(tiny, CLOCK, settings, base_sha256, is_copy=lambda images: np.zeros(len(images), bool))
    assert gone.parts[0].deltas == {}
    assert fingerprint(tiny) == base_sha256
