import pytest
import torch

from twig_assets.ablation import AblationSettings, ConceptTarget, IndistinctConceptError, ablate
from twig_assets.ablation.edits.closed_form_solution import solve
from twig_assets.ablation.methods.closed_form import harden
from twig_assets.ablation.prompts.neighbours import neighbours
from twig_assets.ablation.prompts.token_pairs import TokenPairs, token_pairs

CAT = ConceptTarget(name="cat", target="pouting cat", anchor="cat face", kind="object", preserve=("lion",))


def test_null_space_protection_leaves_the_preserved_exactly_alone():
    rows = torch.randn(9, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pairs = TokenPairs(rows[:2], rows[2:4], rows[4:])
    shared = torch.eye(16, dtype=torch.float64) + solve([pairs], AblationSettings(null_space=1e-6, ridge=1e-6))
    torch.testing.assert_close(pairs.preserve @ shared.T, pairs.preserve)
    assert (pairs.target @ shared.T - pairs.anchor).norm() < 1e-3 * (pairs.target - pairs.anchor).norm()


def test_an_embedding_that_brought_the_target_back_is_erased_too(pipeline):
    settings = AblationSettings(adversarial_rounds=1)
    pairs = token_pairs(pipeline, CAT, settings)
    hardened = harden(pipeline, pairs, settings)
    added, wanted = hardened.target[len(pairs.target) :], hardened.anchor[len(pairs.anchor) :]
    unit = torch.eye(128, dtype=torch.float64)
    before, after = (unit + solve([p], settings) for p in (pairs, hardened))
    assert (added @ before.T - pairs.target).norm() < (pairs.target @ before.T - pairs.target).norm()
    assert (added @ after.T - wanted).norm() < (added @ before.T - wanted).norm()


def test_surrounding_concepts_are_the_nearest_words(pipeline):
    vocabulary = [
        "castle",
        "grinning cat",
        "Pouting Cat",
        "cat face",
        "pizza",
        "police car",
        "wine glass",
        "a pouting cat in a hat",
    ]
    assert neighbours(pipeline, CAT, 2, vocabulary)[0] == "grinning cat"
    everything = neighbours(pipeline, CAT, 99, vocabulary)
    assert set(everything) == {"castle", "grinning cat", "pizza", "police car", "wine glass"}
    assert neighbours(pipeline, CAT, 0) == ()


def test_an_object_without_surroundings_gets_some(pipeline):
    alone = CAT.model_copy(update={"preserve": ()})
    (concept,) = ablate(pipeline, alone, AblationSettings(method="closed_form", neighbours=3), "0" * 64).concepts
    assert len(concept.preserve) == 3


@pytest.mark.parametrize("change", [{"anchor": "POUTING  cat"}, {"preserve": ("pouting CAT ",)}])
def test_what_reads_like_the_target_is_refused(pipeline, change):
    fields = {**CAT.model_dump(), **change}
    with pytest.raises((IndistinctConceptError, ValueError), match="alike|itself|preserved"):
        ablate(pipeline, ConceptTarget(**fields), base_sha256="0" * 64)


def test_a_target_within_what_is_preserved_is_refused():
    with pytest.raises(ValueError, match="'a pouting cat in a hat' is to be preserved and has 'pouting cat' in it"):
        ConceptTarget(**{**CAT.model_dump(), "preserve": ("a pouting cat in a hat",)})
    ConceptTarget(name="cat", target="cat", anchor="dog", kind="object", preserve=("catalog",))
