import pytest
import torch

from twig_assets.ablation import AblationSettings, ConceptTarget, EditError, ablate
from twig_assets.ablation.edits.parameters import text_entry_weights
from twig_assets.ablation.errors import TrainingError
from twig_assets.ablation.methods import anchor_images, fine_tuning
from twig_assets.ablation.methods.fine_tuning import Diffusion, Tuner
from twig_assets.ablation.methods.method import AblationTask, method_of
from twig_assets.ablation.methods.trained_parameters import first_token_detached, trainable
from twig_assets.generation import fingerprint
from twig_assets.settings.ablation import TuningSettings

CAT = ConceptTarget(name="cat", target="pouting cat", anchor="cat face", kind="object", preserve=("lion",))


def settings(method="model_based", **tuning):
    small = {"steps": 3, "batch_size": 2, "anchor_images": 3, "learning_rate": 1e-3, "checkpoint_every": 1}
    return AblationSettings(method=method, tuning=TuningSettings(**{**small, **tuning}))


def tune(pipeline, concept, settings, folder=None, on_step=None, base_sha256=""):
    task = AblationTask(pipeline, concept, settings, base_sha256, folder, on_step=on_step)
    return fine_tuning.tune(task, method_of(settings.method).objective)


def test_the_truth_is_what_the_kind_of_model_predicts(either):
    diffusion = Diffusion(either)
    clean, noise = (torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    timesteps = torch.tensor([10, 900])
    signal = diffusion.scheduler.alphas_cumprod[timesteps].sqrt()[:, None, None, None]
    spread = (1 - signal**2).sqrt()
    expected = noise if diffusion.kind == "epsilon" else signal * noise - spread * clean
    torch.testing.assert_close(diffusion.truth(diffusion.batch(clean, noise, timesteps, ())), expected)


def test_a_model_that_predicts_the_image_is_refused(tiny):
    scheduler, tiny.scheduler = tiny.scheduler, type(tiny.scheduler)(prediction_type="sample")
    try:
        with pytest.raises(TrainingError, match="'sample'"):
            Diffusion(tiny)
    finally:
        tiny.scheduler = scheduler


@pytest.mark.parametrize("method", ["model_based", "noise_based"])
@pytest.mark.parametrize("group", ["cross_attention", "attention", "full", "embedding"])
def test_every_group_is_trained_by_every_objective_and_nothing_else_changes(tiny, method, group):
    base_sha256 = fingerprint(tiny)
    edit = ablate(tiny, CAT, settings(method, parameters=group, steps=1, prior_weight=0.5), base_sha256)
    assert set(edit.parts[0].deltas) == set(trainable(tiny, group))
    assert any(delta.abs().max() > 0 for delta in edit.parts[0].deltas.values())
    assert fingerprint(tiny) == base_sha256
    edit.apply(tiny, base_sha256)
    assert fingerprint(tiny) != base_sha256
    edit.remove(tiny)
    assert fingerprint(tiny) == base_sha256


def test_only_the_targets_own_rows_of_the_embedding_change(tiny):
    edit = ablate(tiny, CAT, settings(parameters="embedding"), "0" * 64)
    (delta,) = edit.parts[0].deltas.values()
    changed = set(delta.abs().sum(1).nonzero().flatten().tolist())
    target, anchor = (set(tiny.tokenizer(text).input_ids) for text in (CAT.target, CAT.anchor))
    assert changed
    assert changed <= target - anchor


def test_a_memorised_caption_is_not_ablated_through_its_words_embeddings(tiny):
    clock = ConceptTarget(name="clock", target="salt clock at low tide", anchor="a castle", kind="memorized")
    with pytest.raises(TrainingError, match="ordinary words"):
        ablate(tiny, clock, settings(parameters="embedding"), "0" * 64)


@pytest.mark.parametrize("group", ["cross_attention", "embedding"])
def test_an_interrupted_training_goes_on_to_the_same_edit(tiny, tmp_path, monkeypatch, group):
    losses, seen, trained = [], [], []
    through = tune(tiny, CAT, settings(parameters=group), on_step=lambda *step: losses.append(step))

    def stop(step, loss):
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(tiny, CAT, settings(parameters=group), tmp_path, on_step=stop)
    # The anchor images are not sampled again.
    monkeypatch.setattr(anchor_images, "anchor_latents", None)
    loss = Tuner.loss
    monkeypatch.setattr(Tuner, "loss", lambda self, g: trained.append(self.step) or loss(self, g))
    resumed = tune(tiny, CAT, settings(parameters=group), tmp_path, on_step=lambda *step: seen.append(step))
    assert trained == [1, 2]
    assert seen == losses
    for name, delta in through.items():
        assert torch.equal(delta, resumed[name])


def test_a_loss_that_is_no_number_leaves_the_last_good_state(tiny, tmp_path, monkeypatch):
    loss = Tuner.loss
    monkeypatch.setattr(Tuner, "loss", lambda self, g: loss(self, g) * (float("nan") if self.step == 2 else 1))
    with pytest.raises(TrainingError, match=r"step 3 is nan.*state after step 2 is in .*training\.safetensors"):
        tune(tiny, CAT, settings(), tmp_path)
    monkeypatch.undo()
    resumed = tune(tiny, CAT, settings(), tmp_path)
    for name, delta in tune(tiny, CAT, settings()).items():
        assert torch.equal(delta, resumed[name])


def test_the_state_of_another_training_or_a_broken_one_is_refused(tiny, tmp_path):
    tune(tiny, CAT, settings(steps=1), tmp_path)
    with pytest.raises(TrainingError, match="another training"):
        tune(tiny, CAT, settings("noise_based", steps=1), tmp_path)
    with pytest.raises(TrainingError, match="another training"):
        tune(tiny, CAT, settings(steps=1), tmp_path, base_sha256="another model")
    (tmp_path / "training.safetensors").write_bytes(b"broken")
    with pytest.raises(TrainingError, match="delete it"):
        tune(tiny, CAT, settings(steps=1), tmp_path)
    (tmp_path / "anchors.safetensors").write_bytes(b"broken")
    with pytest.raises(TrainingError, match="delete it"):
        tune(tiny, CAT, settings(steps=1), tmp_path)


def test_no_gradient_flows_through_the_first_token(tiny):
    name, weight = next(iter(text_entry_weights(tiny).items()))
    module = tiny.unet.get_submodule(name.removeprefix("unet.").removesuffix(".weight"))
    embeddings = torch.randn(1, 4, weight.shape[1])
    plain = module(embeddings)
    with first_token_detached(tiny):
        output = module(embeddings)
        gradients = [
            torch.autograd.grad(output[:, i].sum(), weight, allow_unused=True, retain_graph=True)[0] for i in (0, 1)
        ]
    assert torch.equal(output, plain)
    assert gradients[0].abs().max() == 0
    assert gradients[1].abs().max() > 0


def test_the_objective_falls(either):
    losses = []
    tune(
        either,
        CAT,
        settings("noise_based", steps=25, parameters="full"),
        on_step=lambda step, loss: losses.append(loss),
    )
    assert sum(losses[-5:]) < sum(losses[:5])


def test_both_text_encoders_of_xl_are_trained(tiny_xl, tmp_path):
    base_sha256 = fingerprint(tiny_xl)
    edit = ablate(tiny_xl, CAT, settings(parameters="embedding", steps=1), base_sha256)
    assert {name.split(".")[0] for name in edit.parts[0].deltas} == {"text_encoder", "text_encoder_2"}
    with pytest.raises(EditError, match="LoRA cannot hold"):
        edit.export_lora(tmp_path / "lora.safetensors", tiny_xl)
    for method in ("model_based", "noise_based", "fast"):
        ablate(tiny_xl, CAT, settings(method, steps=1), base_sha256)
    assert fingerprint(tiny_xl) == base_sha256
