"""What every family has to do, on small pipelines with random weights: mechanics, not pictures."""

import re

import numpy as np
import pytest
import torch

from tests.unit.generation.families.pipelines import BUILDERS, small
from twig_assets.ablation import AblationSettings, ConceptTarget, ablate, apply, remove
from twig_assets.ablation.errors import TrainingError
from twig_assets.generation import (
    Capability,
    GenerationSettings,
    MissingCapabilityError,
    family_of,
    fingerprint,
    generate,
    load_checkpoint,
)
from twig_assets.regeneration import RegenerationSettings, regenerate

PROMPTS, SEEDS = ["a red fox", "an owl in the house"], [1, 2]
PLAIN = GenerationSettings(steps=3, guidance_scale=3.0, guidance_rescale=0, guidance_from=0, height=32, width=48)
FOX = ConceptTarget(name="fox", target="fox", anchor="dog", kind="object", preserve=("owl",))
families = pytest.mark.parametrize("name", BUILDERS)
trainable = ["stable_diffusion", "stable_diffusion_xl", "stable_diffusion_3", "flux", "pixart_sigma"]


def own_call(name, pipeline, scale):
    """How diffusers is asked for what `PLAIN` asks us for."""
    call = {"prompt": list(PROMPTS), "num_inference_steps": PLAIN.steps, "height": 32, "width": 48}
    if name == "qwen_image":
        return call | ({"true_cfg_scale": scale, "negative_prompt": ["", ""]} if scale > 1 else {"true_cfg_scale": 1.0})
    if name == "z_image":
        return call | {"guidance_scale": scale - 1}
    if name == "flux_2_klein":
        call |= {"max_sequence_length": pipeline.tokenizer_max_length}
    if name == "pixart_sigma":
        call |= {"use_resolution_binning": False, "clean_caption": False}
    return call | {"guidance_scale": scale}


@families
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_it_draws_what_the_pipeline_itself_draws(name, scale):
    pipeline = small(name)
    generators = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    own = pipeline(**own_call(name, pipeline, scale), generator=generators, output_type="pt").images
    own = own.float().mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    settings = PLAIN.model_copy(update={"guidance_scale": scale})
    images = generate(pipeline, PROMPTS, SEEDS, settings)
    assert images.shape == (2, 32, 48, 3)
    np.testing.assert_array_equal(images, own)


@families
def test_each_image_is_drawn_from_its_own_prompt_and_seed(name):
    images = generate(small(name), PROMPTS, SEEDS, PLAIN)
    alone = generate(small(name), PROMPTS[1:], SEEDS[1:], PLAIN)
    assert np.abs(images[1].astype(int) - alone[0]).max() <= 1
    assert (generate(small(name), PROMPTS[:1], [9], PLAIN)[0] != images[0]).any()


@families
def test_pictures_are_encoded_as_they_are_decoded(name):
    family = family_of(small(name))
    latents = family.encode_images(np.zeros((1, 32, 48, 3), np.uint8), (32, 48))
    assert latents.shape == (1, family.latent_channels, 32 // family.reduction, 48 // family.reduction)
    assert family.decode(latents).shape == (1, 3, 32, 48)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
    if hasattr(family, "_for_decoder"):
        torch.testing.assert_close(family._for_denoiser(family._for_decoder(noise).squeeze(2)), noise)


@families
def test_token_positions_are_those_of_the_words(name):
    family, prompt = family_of(small(name)), "a picture of a red fox on the house"
    tokens = family.encode([prompt, "a picture of a red dog on the house"]).tokens.detach()
    other = family.token_ids("a picture of a red dog on the house")
    ids, (first, last) = family.token_ids(prompt), family.token_span(prompt, "fox")
    assert 0 < first <= last < len(tokens[0])
    spans = family.token_spans(prompt, "red fox")
    assert [span.stop for span in spans] == sorted(span.stop for span in spans)
    for span in family.token_spans(prompt, "fox"):
        # Up to the word the two prompts are alike; a causal encoder shows that, and all show the word itself.
        assert not torch.allclose(tokens[0, span.first], tokens[1, span.first], atol=1e-5)
    changed = [i for i, (own, its) in enumerate(zip(ids, other, strict=False)) if own != its]
    begin = spans[-1].stop - family.prompt_limit if len(spans) > 1 else 0
    assert first == begin + changed[0]
    assert family.word_spans(["a", "fox"])[1].start > family.word_spans(["a", "fox"])[0].start
    assert {"fox", "owl"} <= family.whole_words()
    end = family.token_spans(prompt, "")[-1]
    assert end.first == end.last < end.stop
    with pytest.raises(ValueError, match="substring"):
        family.token_span(prompt, "pear")


@families
def test_text_enters_by_the_layers_that_are_named(name):
    family = family_of(small(name))
    conditioning = family.encode(PROMPTS)
    parameters = dict(family.denoiser.named_parameters())
    assert family.text_entries()
    for entry, layer in family.text_entries().items():
        assert layer.in_features == conditioning.tokens.shape[-1]
        assert parameters[f"{entry.removeprefix(f'{family.denoiser_name}.')}.weight"] is layer.weight
    seen = []
    layer = next(iter(family.text_entries().values()))
    handle = layer.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    generators = [torch.Generator().manual_seed(seed) for seed in SEEDS]
    with torch.no_grad():
        latents = family.starting_noise(generators, (32, 48))
        family.predict(latents, torch.tensor(500.0), conditioning)
        wanted = family.entry_inputs(conditioning)
    handle.remove()
    rows = wanted if conditioning.mask is None else wanted[0][conditioning.mask[0]][None]
    assert torch.isclose(seen[0].reshape(-1, rows.shape[-1])[0], rows[0, 0], atol=1e-5).all()


@pytest.fixture
def few_ordinary_things(monkeypatch):
    """As many words as small encoders have room for, and as few as take little time."""
    monkeypatch.setattr("twig_assets.ablation.prompts.token_pairs.ORDINARY", ("apple", "boat"))


@families
@pytest.mark.usefixtures("few_ordinary_things")
def test_a_closed_form_edit_reads_the_target_as_the_anchor_and_comes_off_to_the_bit(name):
    pipeline = small(name)
    family, base = family_of(pipeline), fingerprint(pipeline)
    before = generate(pipeline, ["a fox"], [1], PLAIN)
    settings = AblationSettings(method="closed_form", preserve_scale=0.01, ridge=1e-6, adversarial_rounds=0)
    edit = ablate(pipeline, FOX, settings, base)

    @torch.no_grad()
    def entered(prompt):
        conditioning = family.encode([prompt])
        layer = next(iter(family.text_entries().values()))
        return [layer(family.entry_inputs(conditioning)[0, s.last]) for s in family.token_spans(prompt, prompt[2:])]

    target, anchor = entered("a fox"), entered("a dog")
    apply(pipeline, edit, base)
    try:
        for old, new, wanted in zip(target, entered("a fox"), anchor, strict=True):
            assert (new - wanted).norm() < 0.75 * (old - wanted).norm()
        assert (generate(pipeline, ["a fox"], [1], PLAIN) != before).any()
    finally:
        remove(pipeline)
    assert fingerprint(pipeline) == base
    np.testing.assert_array_equal(generate(pipeline, ["a fox"], [1], PLAIN), before)


@families
@pytest.mark.usefixtures("few_ordinary_things")
def test_text_encoders_are_distilled_where_they_can_be_trained_and_refused_where_not(name):
    pipeline = small(name)
    gentle = {"steps": 3, "batch_size": 2, "learning_rate": 1e-5}
    settings = AblationSettings(method="fast", distillation=gentle, misspellings=0)
    if name not in trainable:
        with pytest.raises(TrainingError, match="no text encoder that can be trained; choose another method"):
            ablate(pipeline, FOX, settings, "base")
        return
    edit = ablate(pipeline, FOX, settings, "base")
    assert {part.partition(".")[0] for part in edit.parts[0].deltas} == {*family_of(pipeline).text_encoders()}


@families
def test_it_regenerates_repeatably_and_strength_zero_is_the_plain_sampler(name):
    pipeline = small(name)
    firsts, plain = generate(pipeline, PROMPTS, [3, 4], PLAIN), generate(pipeline, PROMPTS, SEEDS, PLAIN)
    masks = np.zeros((2, 32, 48), bool)
    masks[:, 8:24, 8:24] = True
    given = (pipeline, PROMPTS, firsts, masks, SEEDS)
    np.testing.assert_array_equal(regenerate(*given, RegenerationSettings(strength=0), PLAIN), plain)
    steered = RegenerationSettings(strategy="vacate", until=1.0, dilation=0)
    for settings in (steered, RegenerationSettings(beginnings=2, dilation=0)):
        images = regenerate(*given, settings, PLAIN)
        np.testing.assert_array_equal(regenerate(*given, settings, PLAIN), images)
    assert (regenerate(*given, steered, PLAIN) != plain).any((1, 2, 3)).all()


@families
def test_what_it_cannot_do_is_refused_with_a_sentence_before_anything_is_drawn(name, monkeypatch):
    pipeline = small(name)
    family = family_of(pipeline)
    given = pipeline, PROMPTS, np.zeros((2, 32, 48, 3), np.uint8), np.ones((2, 32, 48), bool), SEEDS
    monkeypatch.setattr(type(family), "predict", None)
    for strategy, capability in (("suppress", Capability.CROSS_ATTENTION), ("delay", Capability.GUIDANCE)):
        if capability not in family.capabilities:
            with pytest.raises(MissingCapabilityError, match=rf"'{strategy}' needs {capability}, which a .*; choose"):
                regenerate(*given, RegenerationSettings(strategy=strategy), PLAIN)
    if Capability.GUIDANCE not in family.capabilities:
        away = PLAIN.model_copy(update={"negative_prompt": "a dog"})
        with pytest.raises(MissingCapabilityError, match="a negative prompt needs"):
            generate(pipeline, PROMPTS, SEEDS, away)
        with pytest.raises(MissingCapabilityError, match="without the prompt needs"):
            family.unconditional(1)


@pytest.mark.parametrize("name", ["stable_diffusion_3", "flux", "flux_2_klein", "z_image", "qwen_image"])
def test_fine_tuning_a_flow_is_refused_before_anything_is_drawn(name, monkeypatch):
    pipeline = small(name)
    monkeypatch.setattr(type(family_of(pipeline)), "predict", None)
    with pytest.raises(TrainingError, match="predicts 'flow_prediction' cannot be fine-tuned; .* such as closed_form"):
        ablate(pipeline, FOX, AblationSettings(method="model_based"), "base")


@families
def test_sizes_that_it_cannot_draw_are_refused(name):
    multiple = family_of(small(name)).size_multiple
    with pytest.raises(ValueError, match=rf"must be multiples of {multiple}"):
        generate(small(name), PROMPTS, SEEDS, PLAIN.model_copy(update={"height": 32 + multiple // 2}))


@families
def test_it_is_opened_from_its_folder_as_the_same_model(name, tmp_path):
    small(name).save_pretrained(tmp_path)
    opened = load_checkpoint(str(tmp_path))
    if name == "flux_2_klein":
        opened.tokenizer_max_length = small(name).tokenizer_max_length
    assert fingerprint(opened) == fingerprint(small(name))
    np.testing.assert_array_equal(generate(opened, PROMPTS, SEEDS, PLAIN), generate(small(name), PROMPTS, SEEDS, PLAIN))


def test_a_transformer_that_is_told_the_scale_is_called_once_and_draws_by_it():
    weak, strong = (
        generate(small("flux"), PROMPTS, SEEDS, PLAIN.model_copy(update={"guidance_scale": scale})) for scale in (1, 8)
    )
    assert (weak != strong).any()
    without = small("flux", guidance_embeds=False)
    weak, strong = (
        generate(without, PROMPTS, SEEDS, PLAIN.model_copy(update={"guidance_scale": scale})) for scale in (1, 8)
    )
    np.testing.assert_array_equal(weak, strong)


def test_a_distilled_checkpoint_has_no_guidance():
    assert Capability.GUIDANCE in family_of(small("flux_2_klein")).capabilities
    assert Capability.GUIDANCE not in family_of(small("flux_2_klein", is_distilled=True)).capabilities


def test_stable_diffusion_3_does_without_t5():
    pipeline = small("stable_diffusion_3", with_t5=False)
    family = family_of(pipeline)
    assert family.prompt_limit == 77
    assert len(family.token_spans("a fox", "fox")) == 1
    assert list(family.text_encoders()) == ["text_encoder", "text_encoder_2"]
    assert generate(pipeline, PROMPTS, SEEDS, PLAIN).shape == (2, 32, 48, 3)


def test_there_is_a_small_pipeline_of_every_class_that_can_be_used():
    from twig_assets.generation.family import FAMILIES

    built = {type(small(name)) for name in BUILDERS}
    ours = {kind for kind, family in FAMILIES.items() if re.match(r"twig_assets\.", family.__module__)}
    assert built == ours
