"""A large edit is kept in a small file, and what that costs is measured and kept within what is allowed."""

import pytest
import torch

from twig_assets.ablation import AblationSettings, ConceptEdit, ConceptTarget, ablate, compose
from twig_assets.ablation.edits.concept_edit import EditPart
from twig_assets.ablation.edits.parameters import text_entry_weights
from twig_assets.ablation.edits.stored_delta import Halved, LowRank, dense, halved, low_rank, stored_bytes
from twig_assets.ablation.methods.compression import compressed
from twig_assets.ablation.methods.conditioning_distance import ConditioningDistance
from twig_assets.generation import family_of, fingerprint
from twig_assets.settings.ablation import DistillationSettings, StorageSettings, TuningSettings

CAT = ConceptTarget(name="cat", target="pouting cat", anchor="cat face", kind="object", preserve=("lion",))
FOX = ConceptTarget(name="fox", target="fox", anchor="dog", kind="object", preserve=("wolf",))
BRIEF = DistillationSettings(steps=12, batch_size=8)
WHOLE = AblationSettings(distillation=BRIEF)
SMALL = WHOLE.model_copy(update={"storage": StorageSettings(whole_below=0, max_error=0.01)})


@torch.no_grad()
def read(pipeline, edit, prompt="a pouting cat on a rock"):
    edit.apply(pipeline, edit.base_sha256)
    try:
        return family_of(pipeline).encode([prompt])
    finally:
        edit.remove(pipeline)


def test_a_distilled_edit_reads_the_same_from_a_smaller_file(tmp_path, pipeline):
    base_sha256 = fingerprint(pipeline)
    whole, small = (ablate(pipeline, CAT, settings, base_sha256) for settings in (WHOLE, SMALL))
    assert whole.compression is None
    assert len(small.to_bytes()) < 0.5 * len(whole.to_bytes())
    assert all(isinstance(delta, LowRank) for delta in small.parts[0].deltas.values())
    small.save(tmp_path / "small.safetensors")
    loaded = ConceptEdit.load(tmp_path / "small.safetensors")
    assert loaded.to_bytes() == small.to_bytes()
    with torch.no_grad():
        plain = family_of(pipeline).encode(["a pouting cat on a rock"])
    distance = ConditioningDistance(pipeline)
    departs = distance.between(read(pipeline, whole), read(pipeline, loaded)).item()
    moved = distance.between(read(pipeline, whole), plain).item()
    assert departs < 0.05 * moved
    assert fingerprint(pipeline) == base_sha256


def test_less_error_takes_a_higher_rank_and_what_it_costs_is_said(tiny):
    ranks, errors = [], []
    for allowed in (0.5, 0.005):
        storage = StorageSettings(whole_below=0, max_error=allowed)
        edit = ablate(tiny, CAT, WHOLE.model_copy(update={"storage": storage}), "0" * 64)
        ranks.append(max(delta.up.shape[1] for delta in edit.parts[0].deltas.values() if isinstance(delta, LowRank)))
        errors.append(edit.compression["error"])
        assert edit.compression["stored_bytes"] < edit.compression["whole_bytes"]
    assert ranks[0] < ranks[1]
    assert errors[0] > errors[1]
    assert errors[1] <= 0.005


@pytest.mark.parametrize(("group", "kind"), [("full", Halved), ("embedding", LowRank)])
def test_what_was_fine_tuned_is_kept_in_thin_matrices_or_in_half_precision(tiny, group, kind):
    tuning = TuningSettings(steps=2, batch_size=2, anchor_images=2, learning_rate=1e-3, parameters=group)
    settings = AblationSettings(method="model_based", tuning=tuning)
    whole = ablate(tiny, CAT, settings, "0" * 64)
    small = ablate(tiny, CAT, settings.model_copy(update={"storage": StorageSettings(whole_below=0)}), "0" * 64)
    again = ConceptEdit.from_bytes(small.to_bytes())
    assert {type(delta) for delta in again.parts[0].deltas.values()} == {kind}
    for name, delta in whole.parts[0].deltas.items():
        stored = dense(again.parts[0].deltas[name])
        assert stored.shape == delta.shape
        assert (stored - delta).norm() <= 0.1 * delta.norm()


def test_a_change_of_where_text_enters_has_the_rank_that_the_prompts_need(pipeline):
    generator = torch.Generator().manual_seed(0)
    deltas = {}
    for name, weight in text_entry_weights(pipeline).items():
        made = 0.01 * torch.randn(len(weight), 20, generator=generator) @ torch.randn(20, 128, generator=generator)
        deltas[name] = made
    small = compressed(pipeline, ConceptEdit((EditPart(CAT, deltas=deltas),), "0" * 64, SMALL))
    assert {delta.up.shape[1] for delta in small.parts[0].deltas.values() if isinstance(delta, LowRank)} == {32}
    assert small.compression["error"] < 1e-4
    assert compressed(pipeline, small) is small


def test_compressed_edits_compose_and_joint_ones_are_compressed_too(tiny):
    edits = [ablate(tiny, concept, SMALL, "0" * 64) for concept in (CAT, FOX)]
    both = compose(edits, tiny)
    assert both.to_bytes() == compose(edits[::-1], tiny).to_bytes()
    assert all(isinstance(delta, LowRank) for delta in both.joint.values())
    assert both.compression["error"] <= SMALL.storage.max_error
    assert ConceptEdit.from_bytes(both.to_bytes()).to_bytes() == both.to_bytes()


def test_a_matrix_of_low_rank_is_factored_all_but_exactly_and_the_same_again():
    generator = torch.Generator().manual_seed(3)
    matrix = torch.randn(96, 5, generator=generator) @ torch.randn(5, 64, generator=generator)
    factors = low_rank(matrix, 8, seed=1)
    assert factors.shape == matrix.shape
    assert (factors.dense() - matrix).norm() < 1e-3 * matrix.norm()
    assert torch.equal(factors.up, low_rank(matrix, 8, seed=1).up)
    assert stored_bytes(factors) == 2 * 8 * (96 + 64)


@pytest.mark.parametrize("size", [1e-12, 1e-4, 1.0, 1e9])
def test_half_precision_keeps_large_and_small_changes(size):
    delta = size * torch.randn(40, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(halved(delta).dense(), delta, rtol=1e-3, atol=size * 1e-6)
    assert torch.equal(halved(torch.zeros(3)).dense(), torch.zeros(3))
