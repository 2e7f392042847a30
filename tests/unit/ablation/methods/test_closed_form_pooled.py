"""The closed form of models that read a pooled embedding besides the tokens."""

import pytest
import torch

from tests.unit.generation.families.pipelines import small
from twig_assets.ablation import AblationSettings, ConceptEdit, ConceptTarget, ablate, apply, compose, remove
from twig_assets.ablation.edits.parameters import pooled_entry_weights
from twig_assets.generation import fingerprint
from twig_assets.generation.family import family_of

FOX = ConceptTarget(name="fox", target="fox", anchor="dog", kind="object", preserve=("owl",))
HOUSE = ConceptTarget(name="house", target="house", anchor="boat", kind="object", preserve=("tree",))
SETTINGS = AblationSettings(method="closed_form", preserve_scale=0.01, ridge=1e-6, overshoot=0, misspellings=1)


@pytest.fixture(params=["stable_diffusion_xl", "stable_diffusion_3"])
def pipeline(request, monkeypatch):
    monkeypatch.setattr("twig_assets.ablation.prompts.token_pairs.ORDINARY", ("apple", "boat"))
    return small(request.param)


@torch.no_grad()
def entered(pipeline, prompt):
    """What the denoiser makes of the pooled embedding, before it is joined by what else such a layer reads."""
    pooled = family_of(pipeline).encode([prompt]).pooled[0].double()
    return torch.cat([w.double()[:, : len(pooled)] @ pooled for w in pooled_entry_weights(pipeline).values()])


def test_the_target_is_read_as_the_anchor_and_what_else_the_layer_reads_as_before(pipeline):
    edit, base = ablate(pipeline, FOX, SETTINGS), fingerprint(pipeline)
    target, anchor = entered(pipeline, "fox"), entered(pipeline, "dog")
    others = {n: w[:, len(edit.pooled_correction()) :].clone() for n, w in pooled_entry_weights(pipeline).items()}
    apply(pipeline, edit, base)
    try:
        assert (entered(pipeline, "fox") - anchor).norm() < 0.3 * (target - anchor).norm()
        for name, weight in pooled_entry_weights(pipeline).items():
            assert torch.equal(weight[:, len(edit.pooled_correction()) :], others[name])
    finally:
        remove(pipeline)
    assert fingerprint(pipeline) == base


def test_an_embedding_that_brings_the_target_back_is_searched_there_too(pipeline):
    plain, hardened = (
        ablate(pipeline, FOX, SETTINGS.model_copy(update={"adversarial_rounds": rounds}), "0" * 64)
        .parts[0]
        .pairs.pooled
        for rounds in (0, 1)
    )
    assert len(hardened.target) == 2 * len(plain.target)
    assert torch.equal(hardened.preserve, plain.preserve)


def test_it_is_kept_in_the_file_and_composed(pipeline):
    edits = [ablate(pipeline, concept, SETTINGS, "0" * 64) for concept in (FOX, HOUSE)]
    loaded = [ConceptEdit.from_bytes(edit.to_bytes()) for edit in edits]
    assert torch.equal(loaded[0].pooled_correction(), edits[0].pooled_correction())
    both = compose(loaded)
    assert torch.equal(both.pooled_correction(), compose(edits).pooled_correction())
    kept = [prompt for pairs in both.statistics for prompt, _ in pairs.pooled.preserved]
    assert kept
    assert not any("house" in prompt or "fox" in prompt for prompt in kept), "what is removed cannot be kept"


def test_a_model_without_one_keeps_the_bytes_of_its_files():
    pipeline = small("stable_diffusion")
    edit = ablate(pipeline, FOX, SETTINGS, "0" * 64)
    assert edit.pooled_correction() is None
    assert b'version\\": 3' in edit.to_bytes()
