"""Every method on weights in half precision, as models are opened on a GPU; the CPU computes in it too, only slowly."""

import copy

import pytest
import torch

from twig_assets.ablation import AblationSettings, ConceptEdit, ConceptTarget, EditError, ablate, apply, remove
from twig_assets.ablation.ablate import compose
from twig_assets.ablation.edits.concept_edit import EditPart
from twig_assets.ablation.errors import AnchorError, TrainingError
from twig_assets.ablation.methods import fine_tuning
from twig_assets.ablation.methods.anchor_images import anchor_latents
from twig_assets.ablation.methods.fine_tuning import Tuner
from twig_assets.ablation.methods.method import AblationTask, method_of
from twig_assets.generation import GenerationSettings, fingerprint, generate
from twig_assets.settings.ablation import DistillationSettings, TuningSettings

CAT = ConceptTarget(name="cat", target="pouting cat", anchor="cat face", kind="object", preserve=("lion",))
TUNING = TuningSettings(steps=4, batch_size=2, anchor_images=2, learning_rate=2e-5, checkpoint_every=2)
DISTILLATION = DistillationSettings(steps=12, batch_size=4, learning_rate=0.001)


def settings(method, **tuning):
    return AblationSettings(
        method=method, misspellings=2, tuning=TUNING.model_copy(update=tuning), distillation=DISTILLATION
    )


def cast(pipeline, dtype):
    """The same pipeline with weights of its own, in another number format."""
    parts = {name: copy.deepcopy(part) for name, part in pipeline.components.items() if name != "tokenizer"}
    made = type(pipeline)(**parts, tokenizer=pipeline.tokenizer, requires_safety_checker=False).to(dtype)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module", params=[torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
def half(request, tiny):
    return cast(tiny, request.param)


@pytest.mark.parametrize("method", ["model_based", "noise_based", "closed_form", "fast"])
def test_every_method_gives_a_finite_edit_that_changes_the_image(half, method):
    base_sha256 = fingerprint(half)
    edit = ablate(half, CAT, settings(method, learning_rate=1e-3), base_sha256)
    assert edit.not_finite() == []
    before = generate(half, ["a pouting cat"], [1], GenerationSettings(steps=2))
    apply(half, ConceptEdit.from_bytes(edit.to_bytes()), base_sha256)
    after = generate(half, ["a pouting cat"], [1], GenerationSettings(steps=2))
    remove(half)
    assert (before != after).any()
    assert fingerprint(half) == base_sha256


@pytest.mark.parametrize("method", ["model_based", "fast"])
def test_what_training_added_is_kept_in_the_models_own_number_format(half, method):
    [part] = ablate(half, CAT, settings(method), "base").parts
    assert {delta.dtype for delta in part.deltas.values()} == {half.unet.dtype}


@pytest.mark.parametrize("group", ["full", "embedding"])
def test_every_group_can_be_trained(half, group):
    [part] = ablate(half, CAT, settings("model_based", parameters=group, prior_weight=0.5, steps=2), "base").parts
    assert all(torch.isfinite(delta).all() for delta in part.deltas.values())


def test_training_follows_the_same_path_as_in_float32(tiny, half):
    chosen = settings("noise_based", learning_rate=1e-4)
    task = [AblationTask(model, CAT, chosen, "base") for model in (tiny, half)]
    objective = method_of("noise_based").objective
    single, mixed = (fine_tuning.tune(each, objective) for each in task)
    one, other = (torch.cat([deltas[name].flatten().float() for name in single]) for deltas in (single, mixed))
    assert torch.nn.functional.cosine_similarity(one, other, dim=0) > 0.8


def test_steps_too_small_for_the_models_format_add_up(half):
    objective = method_of("noise_based").objective
    clean = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)).to(half.unet.dtype)
    pairs = fine_tuning.caption_pairs(["a cat face"] * 2, CAT, settings("noise_based"), 0)
    tuner = Tuner(half, CAT, settings("noise_based", learning_rate=1e-7), objective, clean, pairs)
    for _ in range(3):
        tuner.train_step()
    moved = [(value != tuner.originals[name].float()).float().mean() for name, value in tuner.values.items()]
    assert min(moved) > 0.5


def test_an_interrupted_training_goes_on_to_the_same_edit(half, tmp_path, monkeypatch):
    objective = method_of("model_based").objective
    whole = fine_tuning.tune(AblationTask(half, CAT, settings("model_based"), "base"), objective)
    task = AblationTask(half, CAT, settings("model_based"), "base", tmp_path)
    step = Tuner.train_step
    monkeypatch.setattr(Tuner, "train_step", lambda self: step(self) if self.step < 2 else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fine_tuning.tune(task, objective)
    monkeypatch.undo()
    resumed = fine_tuning.tune(task, objective)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_step_whose_gradients_overflow_is_taken_with_a_smaller_scale(tiny, monkeypatch):
    monkeypatch.setattr(fine_tuning, "_LOSS_SCALE", 2.0**60)
    half = cast(tiny, torch.float16)
    [part] = ablate(half, CAT, settings("noise_based", steps=1), "base").parts
    assert all(torch.isfinite(delta).all() for delta in part.deltas.values())
    assert any((delta != 0).any() for delta in part.deltas.values())


def test_a_gradient_that_is_no_number_stops_the_training_before_anything_is_kept(tiny, tmp_path):
    half = cast(tiny, torch.bfloat16)

    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(context, value):
            return value.clone()

        @staticmethod
        def backward(context, gradient):
            return gradient * float("nan")

    half.unet.register_forward_hook(lambda module, inputs, output: (Broken.apply(output[0]),))
    with pytest.raises(TrainingError, match="a gradient of step 1 is not finite"):
        ablate(half, CAT, settings("noise_based"), "base", folder=tmp_path)
    assert fine_tuning.TrainingState.load(tmp_path / "training.safetensors", _identity()).step == 0


def _identity():
    return fine_tuning.identity_of(CAT, settings("noise_based"), "base")


def test_a_model_that_draws_nan_gives_no_anchors(tiny):
    half = cast(tiny, torch.float16)
    with torch.no_grad():
        half.unet.conv_out.weight.fill_(float("inf"))
    with pytest.raises(AnchorError, match="draws NaN"):
        anchor_latents(half, ["a cat face"], 0)


def test_an_edit_that_is_not_finite_is_never_handed_out(tiny, monkeypatch):
    broken = EditPart(CAT, deltas={"unet.conv_in.weight": torch.full_like(tiny.unet.conv_in.weight, float("nan"))})
    monkeypatch.setattr(type(method_of("closed_form")), "remove_concept", lambda self, task: broken)
    with pytest.raises(EditError, match="not finite"):
        ablate(tiny, CAT, settings("closed_form"), "base")
    with pytest.raises(EditError, match="not finite"):
        compose([ConceptEdit((broken,), "base", settings("closed_form"))])


def test_an_edit_that_overflows_the_models_format_is_refused_and_nothing_changed(tiny):
    half = cast(tiny, torch.float16)
    base_sha256 = fingerprint(half)
    part = EditPart(CAT, deltas={"unet.conv_in.weight": torch.full(half.unet.conv_in.weight.shape, 1e5)})
    with pytest.raises(EditError, match=r"conv_in.weight is not finite in float16"):
        apply(half, ConceptEdit((part,), base_sha256, settings("closed_form")), base_sha256)
    assert fingerprint(half) == base_sha256
