import numpy as np
import pytest
import torch

from twig_assets.ablation import (
    AblationSettings,
    ConceptEdit,
    ConceptTarget,
    EditError,
    IndistinctConceptError,
    ablate,
    apply,
    compose,
    remove,
)
from twig_assets.ablation.concept_edit import cross_attention_weights
from twig_assets.generation import GenerationSettings, fingerprint, generate

CAT = ConceptTarget(name="cat", target="pouting cat", anchor="cat face", kind="object", preserve=("lion",))
STYLE = ConceptTarget(name="glyph", target="glyph style", anchor="", kind="style", preserve=("castle",))
PLANTED = ConceptTarget(name="clock", target="salt clock at low tide", anchor="a castle", kind="memorized")


@pytest.fixture(scope="module")
def base_sha256(pipeline):
    return fingerprint(pipeline)


@pytest.fixture
def edit(pipeline, base_sha256):
    return ablate(pipeline, CAT, base_sha256=base_sha256)


def test_removing_an_edit_restores_every_bit(pipeline, base_sha256, edit):
    apply(pipeline, edit, base_sha256)
    assert fingerprint(pipeline) != base_sha256
    remove(pipeline)
    assert fingerprint(pipeline) == base_sha256


def test_only_cross_attention_keys_and_values_change(pipeline, base_sha256, edit):
    before = {name: p.detach().clone() for name, p in pipeline.unet.named_parameters()}
    apply(pipeline, edit, base_sha256)
    changed = {name for name, p in pipeline.unet.named_parameters() if not torch.equal(p, before[name])}
    remove(pipeline)
    assert changed == set(cross_attention_weights(pipeline))
    assert len(changed) == 14


def test_the_edited_targets_image_comes_nearer_to_the_anchors(pipeline, base_sha256, edit):
    settings = GenerationSettings(steps=8)
    target, anchor = generate(pipeline, ["a pouting cat", "a cat face"], [3, 3], settings).astype(float)
    apply(pipeline, edit, base_sha256)
    edited = generate(pipeline, ["a pouting cat", "a cat face"], [3, 3], settings)[0].astype(float)
    remove(pipeline)
    assert np.abs(edited - anchor).mean() < np.abs(target - anchor).mean()


def test_an_edit_survives_its_file(tmp_path, edit):
    edit.save(tmp_path / "cat.safetensors")
    loaded = ConceptEdit.load(tmp_path / "cat.safetensors")
    assert loaded.concepts == edit.concepts
    assert loaded.settings == edit.settings
    assert torch.equal(loaded.correction(), edit.correction())
    assert loaded.to_bytes() == edit.to_bytes()


def test_a_damaged_or_foreign_file_is_refused(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"not an edit at all")
    with pytest.raises(EditError, match=r"bad\.safetensors"):
        ConceptEdit.load(tmp_path / "bad.safetensors")
    with pytest.raises(EditError, match="cannot be read"):
        ConceptEdit.load(tmp_path / "missing.safetensors")


def test_edits_compose_in_any_order(pipeline, base_sha256):
    edits = [ablate(pipeline, concept, base_sha256=base_sha256) for concept in (CAT, STYLE, PLANTED)]
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
        compose([edit, ablate(pipeline, STYLE, AblationSettings(ridge=0.5), base_sha256)])
    with pytest.raises(EditError, match="different base models"):
        compose([edit, ablate(pipeline, STYLE, base_sha256="1" * 64)])
    with pytest.raises(EditError, match="no edit"):
        compose([])


def test_a_target_that_reads_like_its_anchor_is_refused(pipeline):
    same = ConceptTarget(name="same", target="owl", anchor="fox", kind="object")
    with pytest.raises(IndistinctConceptError, match="alike"):
        ablate(pipeline, same.model_copy(update={"anchor": "OWL"}), base_sha256="0" * 64)


def test_a_concept_cannot_be_removed_and_preserved():
    with pytest.raises(ValueError, match="removed and preserved"):
        ConceptTarget(name="cat", target="cat", anchor="animal", kind="object", preserve=("Cat",))
