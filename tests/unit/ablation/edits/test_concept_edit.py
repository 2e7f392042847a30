import dataclasses
import json

import numpy as np
import pytest
import safetensors.torch
import torch

from twig_assets.ablation import (
    AblationSettings,
    ConceptEdit,
    ConceptTarget,
    EditError,
    IndistinctConceptError,
    ablate,
    applied_sources,
    apply,
    compose,
    remove,
)
from twig_assets.ablation.edits.concept_edit import EditPart
from twig_assets.ablation.edits.parameters import editable_parameters, text_entry_weights
from twig_assets.generation import GenerationSettings, fingerprint, generate

CAT = ConceptTarget(name="cat", target="pouting cat", anchor="cat face", kind="object", preserve=("lion",))
STYLE = ConceptTarget(name="glyph", target="glyph style", anchor="", kind="style", preserve=("castle",))
CLOSED = AblationSettings(method="closed_form")
PLANTED = ConceptTarget(name="clock", target="salt clock at low tide", anchor="a castle", kind="memorized")


@pytest.fixture(scope="module")
def base_sha256(pipeline):
    return fingerprint(pipeline)


@pytest.fixture
def edit(pipeline, base_sha256):
    return ablate(pipeline, CAT, settings=CLOSED, base_sha256=base_sha256)


def test_removing_an_edit_restores_every_bit(pipeline, base_sha256, edit):
    apply(pipeline, edit, base_sha256)
    assert fingerprint(pipeline) != base_sha256
    remove(pipeline)
    assert fingerprint(pipeline) == base_sha256


def test_only_cross_attention_keys_and_values_change(pipeline, base_sha256, edit):
    before = {name: p.detach().clone() for name, p in editable_parameters(pipeline).items()}
    apply(pipeline, edit, base_sha256)
    changed = {name for name, p in editable_parameters(pipeline).items() if not torch.equal(p, before[name])}
    remove(pipeline)
    assert changed == set(text_entry_weights(pipeline))


def test_the_edited_targets_images_come_nearer_to_the_anchors(pipeline, base_sha256):
    fish = ConceptTarget(name="fish", target="tropical fish", anchor="fish", kind="object", preserve=("shark",))
    settings = GenerationSettings(steps=8)
    seeds = [3, 4, 5]
    target, anchor = (generate(pipeline, [p] * 3, seeds, settings).astype(float) for p in ("a tropical fish", "a fish"))
    apply(pipeline, ablate(pipeline, fish, settings=CLOSED, base_sha256=base_sha256), base_sha256)
    edited = generate(pipeline, ["a tropical fish"] * 3, seeds, settings).astype(float)
    remove(pipeline)
    assert np.abs(edited - anchor).mean() < 0.7 * np.abs(target - anchor).mean()


def test_an_edit_survives_its_file(tmp_path, edit):
    edit.save(tmp_path / "cat.safetensors")
    loaded = ConceptEdit.load(tmp_path / "cat.safetensors")
    assert loaded.concepts == edit.concepts
    assert loaded.settings == edit.settings
    assert torch.equal(loaded.correction(), edit.correction())
    assert loaded.to_bytes() == edit.to_bytes()
    assert loaded.parts[0].pairs.preserved == edit.parts[0].pairs.preserved


def test_a_file_of_the_first_format_still_loads(edit):
    pairs = edit.parts[0].pairs
    described = {
        "concepts": [CAT.model_dump(mode="json")],
        "base_sha256": edit.base_sha256,
        "settings": {
            "method": "closed_form",
            "erase_scale": 1.0,
            "preserve_scale": 3.0,
            "ridge": 0.003,
            "samples": 8,
            "max_target_share": 0.5,
        },
    }
    content = safetensors.torch.save(
        {"0.target": pairs.target, "0.anchor": pairs.anchor, "0.preserve": pairs.preserve},
        metadata={"concept_edit": json.dumps(described)},
    )
    as_then = AblationSettings(method="closed_form", ridge=0.003, overshoot=0.0)
    expected = ConceptEdit(edit.parts, edit.base_sha256, as_then).correction()
    assert torch.equal(ConceptEdit.from_bytes(content).correction(), expected)
    later = safetensors.torch.save({}, metadata={"concept_edit": json.dumps({**described, "version": 99})})
    with pytest.raises(EditError, match="version 99"):
        ConceptEdit.from_bytes(later)
    distilled = {**described, "version": 2, "settings": {"method": "fast", "distillation": {"prompts": 12}}}
    gone = safetensors.torch.save(
        {"0.target": pairs.target, "0.anchor": pairs.anchor, "0.preserve": pairs.preserve, "0.basis": torch.ones(1, 2)},
        metadata={"concept_edit": json.dumps(distilled)},
    )
    with pytest.raises(EditError, match="distilled by an earlier version"):
        ConceptEdit.from_bytes(gone)
    empty = safetensors.torch.save({}, metadata={"concept_edit": json.dumps(described)})
    with pytest.raises(EditError, match="nothing is stored"):
        ConceptEdit.from_bytes(empty)


@pytest.fixture
def tuned(pipeline, base_sha256, edit):
    """An edit of every kind in one: closed form, and changes of a UNet's and of a text encoder's weights."""
    generator = torch.Generator().manual_seed(0)
    known = editable_parameters(pipeline)
    deltas, joint = ({name: 0.01 * torch.randn(known[name].shape, generator=generator)} for name in (QUERY, MLP))
    parts = (EditPart(CAT, edit.parts[0].pairs, deltas),)
    return ConceptEdit(parts, base_sha256, edit.settings, {"n": 3}, joint)


QUERY = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight"
MLP = "text_encoder.encoder.layers.1.mlp.fc1.weight"


def test_a_tuned_edit_survives_its_file_and_is_removed_to_the_bit(tmp_path, pipeline, base_sha256, tuned):
    tuned.save(tmp_path / "tuned.safetensors")
    loaded = ConceptEdit.load(tmp_path / "tuned.safetensors")
    assert loaded.to_bytes() == tuned.to_bytes()
    assert loaded.evaluation == {"n": 3}
    for name, delta in loaded.deltas(pipeline).items():
        assert torch.equal(delta, tuned.deltas(pipeline)[name])
    loaded.apply(pipeline, base_sha256)
    with pytest.raises(EditError, match="does not have this edit"):
        tuned.remove(pipeline)
    loaded.remove(pipeline)
    assert fingerprint(pipeline) == base_sha256


def test_an_edit_with_a_parameter_that_the_model_lacks_changes_nothing(pipeline, base_sha256, tuned):
    part = dataclasses.replace(tuned.parts[0], deltas={"unet.nowhere.weight": torch.zeros(2, 2)})
    with pytest.raises(EditError, match="nowhere"):
        ConceptEdit((part,), base_sha256, tuned.settings).apply(pipeline, base_sha256)
    assert fingerprint(pipeline) == base_sha256


def test_what_was_tuned_adds_up_in_any_order(pipeline, base_sha256, tuned):
    style = ablate(pipeline, STYLE, settings=CLOSED, base_sha256=base_sha256)
    tuned = dataclasses.replace(tuned, joint={})
    other = ConceptEdit(
        (dataclasses.replace(style.parts[0], deltas=tuned.parts[0].deltas),), base_sha256, tuned.settings
    )
    both, turned = compose([tuned, other]), compose([other, tuned])
    assert both.to_bytes() == turned.to_bytes()
    torch.testing.assert_close(both.deltas(pipeline)[QUERY], 2 * tuned.deltas(pipeline)[QUERY])


def test_no_concept_is_kept_that_another_edit_removes(pipeline, base_sha256):
    lion = ConceptTarget(name="lion", target="lion", anchor="bear", kind="object", preserve=("tiger face",))
    edits = [ablate(pipeline, concept, settings=CLOSED, base_sha256=base_sha256) for concept in (CAT, lion)]
    kept = [prompt for pairs in compose(edits).statistics for prompt, _ in pairs.preserved]
    assert "a tiger face" in kept
    assert not [prompt for prompt in kept if "lion" in prompt]


def test_an_exported_lora_draws_what_the_edit_draws(tmp_path, base_sha256, tuned):
    from twig_assets.model_zoo import load_pipeline

    pipeline = load_pipeline()
    tuned.export_lora(tmp_path / "lora.safetensors", pipeline)
    settings = GenerationSettings(steps=4)
    plain = generate(pipeline, ["a pouting cat"], [3], settings).astype(int)
    tuned.apply(pipeline, base_sha256)
    with pytest.raises(EditError, match="remove the edit"):
        tuned.export_lora(tmp_path / "lora.safetensors", pipeline)
    edited = generate(pipeline, ["a pouting cat"], [3], settings).astype(int)
    tuned.remove(pipeline)
    pipeline.load_lora_weights(tmp_path / "lora.safetensors")
    through_lora = generate(pipeline, ["a pouting cat"], [3], settings).astype(int)
    assert np.abs(edited - plain).max() > 20
    assert np.abs(edited - through_lora).max() <= 2


def test_a_change_that_no_lora_can_hold_is_refused(tmp_path, pipeline, base_sha256, tuned):
    part = EditPart(CAT, deltas={"unet.conv_in.bias": torch.ones(pipeline.unet.conv_in.bias.shape)})
    with pytest.raises(EditError, match=r"conv_in\.bias"):
        ConceptEdit((part,), base_sha256, tuned.settings).export_lora(tmp_path / "lora.safetensors", pipeline)


def test_two_concepts_of_one_name_are_not_merged(pipeline, base_sha256, edit):
    other = ablate(pipeline, CAT.model_copy(update={"anchor": "dog face"}), settings=CLOSED, base_sha256=base_sha256)
    with pytest.raises(EditError, match="rename one"):
        compose([edit, other])


def test_a_damaged_or_foreign_file_is_refused(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"not an edit at all")
    with pytest.raises(EditError, match=r"bad\.safetensors"):
        ConceptEdit.load(tmp_path / "bad.safetensors")
    with pytest.raises(EditError, match="cannot be read"):
        ConceptEdit.load(tmp_path / "missing.safetensors")


def test_edits_compose_in_any_order(pipeline, base_sha256):
    edits = [ablate(pipeline, concept, settings=CLOSED, base_sha256=base_sha256) for concept in (CAT, STYLE, PLANTED)]
    assert compose(edits).to_bytes() == compose(edits[::-1]).to_bytes()
    assert [c.name for c in compose(edits).concepts] == ["cat", "clock", "glyph"]


def test_an_edit_for_another_model_is_refused(pipeline, edit):
    with pytest.raises(EditError, match="ablate again"):
        apply(pipeline, edit, "0" * 64)


def test_a_second_edit_on_top_is_refused(pipeline, base_sha256, edit):
    apply(pipeline, edit, base_sha256)
    with pytest.raises(EditError, match="edited already"):
        apply(pipeline, edit, base_sha256)
    remove(pipeline)


def test_edits_of_different_models_or_settings_do_not_compose(pipeline, base_sha256, edit):
    with pytest.raises(EditError, match="different settings"):
        compose([edit, ablate(pipeline, STYLE, CLOSED.model_copy(update={"ridge": 0.5}), base_sha256)])
    with pytest.raises(EditError, match="different base models"):
        compose([edit, ablate(pipeline, STYLE, CLOSED, "1" * 64)])
    with pytest.raises(EditError, match="no edit"):
        compose([])


def test_a_target_that_reads_like_its_anchor_is_refused(pipeline):
    same = ConceptTarget(name="same", target="owl", anchor="fox", kind="object")
    with pytest.raises(IndistinctConceptError, match="alike"):
        ablate(pipeline, same.model_copy(update={"anchor": "OWL"}), base_sha256="0" * 64)


def test_a_concept_cannot_be_removed_and_preserved():
    with pytest.raises(ValueError, match="removed and preserved"):
        ConceptTarget(name="cat", target="cat", anchor="animal", kind="object", preserve=("Cat",))


def test_a_pipeline_tells_which_edits_it_carries(pipeline, base_sha256, edit):
    assert applied_sources(pipeline) == frozenset()
    apply(pipeline, edit, base_sha256, sources=["first file", "second file"])
    assert applied_sources(pipeline) == {"first file", "second file"}
    remove(pipeline)
    edit.apply(pipeline, base_sha256)
    assert applied_sources(pipeline) is None
    remove(pipeline)
    assert applied_sources(pipeline) == frozenset()
