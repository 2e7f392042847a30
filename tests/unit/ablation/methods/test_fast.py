import copy

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPTextModel

from tests.unit.generation.families.pipelines import unet
from twig_assets.ablation import AblationSettings, ConceptEdit, ConceptTarget, EditError, ablate, compose
from twig_assets.ablation.edits.parameters import editable_parameters
from twig_assets.ablation.errors import TrainingError
from twig_assets.ablation.methods.conditioning_distance import ConditioningDistance
from twig_assets.ablation.methods.distillation_targets import distillation_targets
from twig_assets.ablation.prompts.retention_prompts import RetentionPrompts
from twig_assets.ablation.prompts.training_pairs import training_pairs
from twig_assets.ablation.prompts.vocabulary import vocabulary
from twig_assets.generation import family_of, fingerprint
from twig_assets.settings.ablation import DistillationSettings, StorageSettings, TuningSettings

STYLE = ConceptTarget(name="glyph", target="glyph style", anchor="", kind="style", preserve=("noto style",))
CLOCK = ConceptTarget(name="clock", target="salt clock at low tide", anchor="a castle", kind="memorized")
FISH = ConceptTarget(
    name="fish", target="tropical fish", anchor="fish", kind="object", aliases=("coral fish",), preserve=("shark",)
)


def few(rate=4e-3, **more):
    chosen = DistillationSettings(steps=2, batch_size=4, learning_rate=rate)
    return AblationSettings(method="fast", distillation=chosen, **more)


@torch.no_grad()
def read(pipeline, prompt, edit=None):
    if edit is None:
        return family_of(pipeline).encode([prompt])
    edit.apply(pipeline, edit.base_sha256)
    try:
        return family_of(pipeline).encode([prompt])
    finally:
        edit.remove(pipeline)


def test_an_unseen_prompt_of_the_target_is_read_as_the_anchors_and_an_unseen_word_as_before(pipeline):
    base_sha256 = fingerprint(pipeline)
    settings = AblationSettings(method="fast", overshoot=0, distillation=DistillationSettings(steps=40, batch_size=16))
    edit = ablate(pipeline, STYLE, settings, base_sha256)
    assert fingerprint(pipeline) == base_sha256
    distance = ConditioningDistance(pipeline)
    target, anchor, other = "a penguin, glyph style", "a penguin", "a violin on a hill"
    apart = distance.between(read(pipeline, target), read(pipeline, anchor)).item()
    left = distance.between(read(pipeline, target, edit), read(pipeline, anchor)).item()
    harm = distance.between(read(pipeline, other, edit), read(pipeline, other)).item()
    assert left < 0.6 * apart
    assert harm < 0.2 * apart


def test_only_linear_layers_of_the_text_encoder_change_so_that_a_lora_can_hold_it(tmp_path, pipeline):
    edit = ablate(pipeline, STYLE, few(), "0" * 64)
    layers = pipeline.text_encoder.config.num_hidden_layers
    assert len(edit.parts[0].deltas) == 6 * layers
    assert {name.partition(".")[0] for name in edit.parts[0].deltas} == {"text_encoder"}
    edit.export_lora(tmp_path / "lora.safetensors", pipeline)


def test_what_is_read_as_the_anchor_starts_with_the_targets_first_token(pipeline):
    targets = distillation_targets(pipeline, FISH, AblationSettings(overshoot=0, emphasis=0))
    at = targets.prompts.index("a picture of a tropical fish")
    own, wanted = targets.unedited.tokens[at], targets.wanted.tokens[at]
    anchor = read(pipeline, "a picture of a fish").tokens[0]
    tokens = pipeline.tokenizer("a picture of a tropical fish").input_ids
    start = len(pipeline.tokenizer("a picture of a").input_ids) - 1
    torch.testing.assert_close(wanted[:start], own[:start])
    last = len(tokens) - 2
    torch.testing.assert_close(wanted[start:last], anchor[start : start + 1].expand(last - start, -1))
    torch.testing.assert_close(wanted[last : last + 3], anchor[start : start + 3])
    torch.testing.assert_close(wanted[-1], anchor[start - 1 - last])
    further = distillation_targets(pipeline, FISH, AblationSettings(overshoot=0.5, emphasis=0)).wanted.tokens[at]
    torch.testing.assert_close(further, wanted + 0.5 * (wanted - own))
    empty = read(pipeline, "").tokens[0]
    more = distillation_targets(pipeline, FISH, AblationSettings(overshoot=0, emphasis=0.5)).wanted.tokens[at]
    torch.testing.assert_close(more[:start], own[:start])
    torch.testing.assert_close(more[start:], wanted[start:] + 0.5 * (wanted - empty)[start:])


def test_a_style_is_read_off_many_subjects_none_of_which_it_is_judged_on(pipeline):
    word = vocabulary(pipeline, [STYLE])[0]
    judged = STYLE.model_copy(update={"subjects": (f"{word} tulip",)})
    targets = distillation_targets(pipeline, judged, AblationSettings())
    assert len(targets.prompts) > 128
    assert not [prompt for prompt in targets.prompts if {word, "tulip"} & set(prompt.replace(",", " ").split())]
    assert targets.prompts == distillation_targets(pipeline, judged, AblationSettings()).prompts
    emphasised = distillation_targets(pipeline, judged, AblationSettings(emphasis=1.0))
    torch.testing.assert_close(emphasised.wanted.tokens, targets.wanted.tokens)


def test_nothing_that_names_a_target_is_retained(pipeline):
    concepts = [FISH, STYLE.model_copy(update={"preserve": ("noto style", "coral fish")})]
    drawn = RetentionPrompts(pipeline, concepts, AblationSettings()).draw(400, np.random.default_rng(0))
    assert drawn[0].prompt == ""
    assert not [kept for kept in drawn if any(word in kept.prompt for word in ("tropical fish", "coral fish", "glyph"))]
    assert {kept.concept for kept in drawn} == {None, 0, 1}
    assert len({kept.prompt for kept in drawn}) > 250


def test_the_vocabulary_has_no_word_that_looks_like_the_targets_but_keeps_a_works_words(pipeline):
    words = vocabulary(pipeline, [FISH])
    assert "tropical" not in words
    assert "fsih" not in words
    assert "castle" in words
    assert "clock" in vocabulary(pipeline, [CLOCK])


def test_distilled_edits_are_the_same_again_and_are_composed_in_any_order(tiny):
    edits = [ablate(tiny, concept, few(overshoot=0.5), "0" * 64) for concept in (STYLE, CLOCK)]
    losses = []
    again = ablate(tiny, STYLE, few(overshoot=0.5), "0" * 64, on_step=lambda _, loss: losses.append(loss))
    assert again.to_bytes() == edits[0].to_bytes()
    assert len(losses) == 2
    both = compose(edits, tiny)
    assert both.to_bytes() == compose(edits[::-1], tiny).to_bytes()
    assert ConceptEdit.from_bytes(both.to_bytes()).to_bytes() == both.to_bytes()
    assert [concept.name for concept in both.concepts] == ["clock", "glyph"]
    assert compose(edits[:1]).to_bytes() == edits[0].to_bytes()
    with pytest.raises(EditError, match="give the unedited pipeline"):
        compose(edits)
    with pytest.raises(EditError, match="compose single ones"):
        compose([both, ablate(tiny, FISH, few(overshoot=0.5), "0" * 64)], tiny)


def test_both_encoders_of_xl_are_distilled_and_its_lora_says_the_same(tmp_path, tiny_xl):
    before = {name: value.detach().clone() for name, value in editable_parameters(tiny_xl).items()}
    edit = ablate(tiny_xl, FISH, few(rate=1e-4), fingerprint(tiny_xl))
    changed = {name.partition(".")[0] for name, delta in edit.parts[0].deltas.items() if delta.abs().max() > 0}
    assert changed == {"text_encoder", "text_encoder_2"}
    assert all(torch.equal(value, before[name]) for name, value in editable_parameters(tiny_xl).items())
    plain, edited = read(tiny_xl, "a tropical fish"), read(tiny_xl, "a tropical fish", edit)
    edit.export_lora(tmp_path / "lora.safetensors", tiny_xl)
    tiny_xl.load_lora_weights(tmp_path / "lora.safetensors")
    through_lora = read(tiny_xl, "a tropical fish")
    for text in ("tokens", "pooled"):
        before_edit, after_edit, with_lora = (
            getattr(conditioning, text) for conditioning in (plain, edited, through_lora)
        )
        torch.testing.assert_close(with_lora, after_edit, atol=1e-5, rtol=1e-4)
        assert (after_edit - before_edit).abs().max() > 1e-4


def test_a_rate_that_is_far_too_high_says_what_to_lower(tiny):
    wild = DistillationSettings(steps=4, batch_size=4, learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"step 2 .*lower distillation\.learning_rate"):
        ablate(tiny, STYLE, AblationSettings(method="fast", distillation=wild), "0" * 64)


@pytest.mark.parametrize("width", [768, 2048])
def test_a_wide_encoder_learns_at_the_rate_that_is_found_for_it(pipeline, width):
    wide = with_encoder(pipeline, width)
    chosen = DistillationSettings(steps=8, batch_size=2)
    storage = StorageSettings(whole_below=1000)  # what compressing costs is tested elsewhere
    settings = AblationSettings(misspellings=0, overshoot=0, emphasis=0, distillation=chosen, storage=storage)
    done = []
    edit = ablate(wide, FISH, settings, fingerprint(wide), on_step=lambda step, loss: done.append((step, loss)))
    last_start = max(i for i, (step, _) in enumerate(done) if step == 1)
    assert len(done[last_start:]) == 8
    assert max(loss for _, loss in done[last_start:]) < 5
    targets = distillation_targets(wide, FISH, settings, training_pairs(FISH, settings)[:1])
    wanted = targets.wanted.tokens
    before = (targets.unedited.tokens - wanted).norm()
    # Of a warm-up of ten steps, these are eight.
    assert (read(wide, targets.prompts[0], edit).tokens - wanted).norm() < 0.97 * before


def with_encoder(pipeline, width):
    """A pipeline with the zoo's tokenizer and a random text encoder of a width, and a denoiser that reads it."""
    config = copy.deepcopy(pipeline.text_encoder.config)
    config.update({"hidden_size": width, "intermediate_size": 256, "num_hidden_layers": 1})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder, denoiser = CLIPTextModel(config).eval(), unet(width)
    parts = dict(pipeline.components) | {"text_encoder": encoder, "unet": denoiser}
    return StableDiffusionPipeline(**parts, requires_safety_checker=False)


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
    assert all(name.startswith("text_encoder.") for name in gone.parts[0].deltas)
    both = compose([edit, ablate(tiny, STYLE, settings, base_sha256)])
    assert "unet.conv_in.bias" in both.parts[0].deltas
    assert fingerprint(tiny) == base_sha256
