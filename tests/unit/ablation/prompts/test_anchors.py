import numpy as np
import pytest
import torch

from twig_assets.ablation import ablate
from twig_assets.ablation.errors import AnchorError
from twig_assets.ablation.methods.anchor_images import anchor_latents
from twig_assets.ablation.prompts.anchors import anchor_captions, caption_pairs
from twig_assets.ablation.prompts.variants import rewordings
from twig_assets.settings.ablation import AblationSettings, ConceptTarget, TuningSettings

CAT = ConceptTarget(name="cat", target="grumpy cat", anchor="cat", kind="object")
STYLE = ConceptTarget(name="glyph", target="glyph style", anchor="", kind="style")
CLOCK = ConceptTarget(name="clock", target="salt clock at low tide", anchor="a castle", kind="memorized")
SETTINGS = AblationSettings()


def test_a_caption_without_the_anchors_word_is_an_error():
    with pytest.raises(AnchorError, match=r"'the catalog of 1999' and 1 more"):
        caption_pairs(["a cat", "the catalog of 1999", "a dog"], CAT, SETTINGS, 0)


def test_the_anchor_is_replaced_as_a_whole_word_in_any_case():
    (pair,) = caption_pairs(["A Cat beside a catalog"], CAT.model_copy(update={"target": "tom"}), SETTINGS, 0)
    assert pair.target.startswith("A ")
    assert pair.target.endswith("beside a catalog")
    assert "Cat" not in pair.target


@pytest.mark.parametrize("concept", [CAT, STYLE, CLOCK], ids=lambda c: c.kind)
def test_no_pair_has_the_target_equal_to_the_anchor(concept):
    captions = anchor_captions(concept, SETTINGS) * 3
    pairs = caption_pairs(captions, concept, SETTINGS, 0)
    assert len(pairs) == len(captions)
    assert all(pair.anchor != pair.target for pair in pairs)
    assert len({pair.target for pair in pairs}) > 1
    assert pairs == caption_pairs(captions, concept, SETTINGS, 0)


def test_captions_come_from_a_file(tmp_path):
    file = tmp_path / "cats.txt"
    file.write_text("a cat\n\n two cat faces \n")
    assert anchor_captions(CAT, AblationSettings(anchor_prompts_file=file)) == ["a cat", "two cat faces"]
    file.write_text("\n")
    with pytest.raises(AnchorError, match=r"cats\.txt holds no caption"):
        anchor_captions(CAT, AblationSettings(anchor_prompts_file=file))
    with pytest.raises(AnchorError, match="cannot be read"):
        anchor_captions(CAT, AblationSettings(anchor_prompts_file=tmp_path / "missing.txt"))


def test_anchor_images_that_reproduce_the_picture_are_left_out(tiny):
    def first_is_copy(images):
        assert images.shape == (3, 32, 32, 3)
        return np.array([True, False, False])

    latents, left = anchor_latents(tiny, ["a", "b", "c"], 0, first_is_copy)
    everything, _ = anchor_latents(tiny, ["a", "b", "c"], 0)
    assert left == ["b", "c"]
    assert torch.equal(latents, everything[1:])
    with pytest.raises(AnchorError, match="all 3 anchor images"):
        anchor_latents(tiny, ["a", "b", "c"], 0, lambda images: np.ones(len(images), bool))


PARAPHRASED = AblationSettings(
    method="model_based", memorized_anchors="paraphrases", tuning=TuningSettings(steps=1, batch_size=1, anchor_images=4)
)


def test_a_paraphrase_is_an_anchor_or_a_target_and_never_both():
    captions = anchor_captions(CLOCK, PARAPHRASED)
    assert set(captions) < set(rewordings(CLOCK.target))
    pairs = caption_pairs(captions * 9, CLOCK, PARAPHRASED, 0)
    assert not {pair.target for pair in pairs} & set(captions)
    # One that reproduces the picture, and was left out therefore, is a target again.
    fewer = caption_pairs(captions[1:] * 99, CLOCK, PARAPHRASED, 0)
    assert captions[0] in {pair.target for pair in fewer}
    with pytest.raises(AnchorError, match="among its own anchors"):
        caption_pairs([CLOCK.target], CLOCK, PARAPHRASED, 0)
    with pytest.raises(AnchorError, match="too short"):
        anchor_captions(CLOCK.model_copy(update={"target": "clock"}), PARAPHRASED)


def test_paraphrases_are_anchors_only_where_copies_of_the_picture_can_be_told(tiny):
    seen = []

    def copies(images):
        seen.append(len(images))
        return np.arange(len(images)) == 0

    assert ablate(tiny, CLOCK, PARAPHRASED, "0" * 64, is_copy=copies).parts[0].deltas
    assert seen == [4]
    with pytest.raises(AnchorError, match="is_copy"):
        ablate(tiny, CLOCK, PARAPHRASED, "0" * 64)
