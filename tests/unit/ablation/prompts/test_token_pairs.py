"""An edit's statistics hold what prompts say, and of long padding no more than a CLIP has rows."""

import pytest

from tests.unit.generation.families.pipelines import small
from twig_assets.ablation import AblationSettings, ConceptTarget
from twig_assets.ablation.prompts.token_pairs import token_pairs
from twig_assets.generation import family_of

# More tokens than a CLIP reads: it has no such word, so each digit is one.
LONG = "0123456789" * 12
CONCEPT = ConceptTarget(name="cat", target="red cat", anchor="dog", kind="object", preserve=("fox", LONG))


def rows_of(name):
    """The rows of each preserved prompt, and all rows of targets, of a pipeline in small."""
    pairs = token_pairs(small(name), CONCEPT, AblationSettings(method="closed_form"))
    assert pairs.preserve.shape[0] == sum(count for _, count in pairs.preserved)
    assert pairs.target.shape == pairs.anchor.shape
    return dict(pairs.preserved), len(pairs.target)


def test_a_clip_keeps_all_its_rows():
    preserved, _ = rows_of("stable_diffusion")
    assert set(preserved.values()) == {77}


@pytest.mark.parametrize(("name", "whole", "kept"), [("flux", 512, 77), ("stable_diffusion_3", 77 + 256, 2 * 77)])
def test_of_long_padding_as_much_is_kept_as_a_clip_has(name, whole, kept):
    encoded = family_of(small(name)).encode(["a fox"])
    assert encoded.tokens.shape[1] == whole
    preserved, targets = rows_of(name)
    assert preserved["a fox"] == kept
    assert preserved[LONG] >= 120 + kept - 77  # no token that says something is left out
    _, of_clip = rows_of("stable_diffusion")
    assert of_clip <= targets <= kept / 77 * of_clip * 1.2


def test_what_a_mask_leaves_out_is_no_row():
    preserved, _ = rows_of("z_image")
    family = family_of(small("z_image"))
    assert preserved["a fox"] == len(family.token_ids("a fox"))
