import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from twig_assets.ablation.prompts.variants import frame, misspellings, misspelt, paraphrases, rewordings
from twig_assets.settings.ablation import ConceptTarget

CAT = ConceptTarget(
    name="cat", target="pouting cat", anchor="cat face", kind="object", aliases=("angry cat",), preserve=("owl",)
)
STYLE = ConceptTarget(name="glyph", target="glyph style", anchor="", kind="style")
CLOCK = ConceptTarget(name="clock", target="salt clock at low tide", anchor="a castle", kind="memorized")


@given(st.sampled_from([1, 2]), st.integers(0, 50), st.integers(1, 12))
def test_misspellings_lie_at_their_distance_and_never_in_both_pools(distance, seed, count):
    pools = [misspellings("pouting cat", distance, count, seed, pool) for pool in ("training", "evaluation")]
    assert not set(pools[0]) & set(misspellings("pouting cat", distance, 12, seed + 1, "evaluation"))
    for texts in pools:
        assert len(set(texts)) == count
        assert {OSA.distance("pouting cat", text) for text in texts} == {distance}
        assert all(text.count(" ") == 1 and "" not in text.split(" ") for text in texts)


def test_the_same_seed_gives_the_same_misspellings():
    assert misspellings("police car", 2, 6, seed=3) == misspellings("police car", 2, 6, seed=3)
    assert misspellings("police car", 2, 6, seed=3) != misspellings("police car", 2, 6, seed=4)


def test_words_that_are_to_stay_are_no_misspellings():
    free = {text for pool in ("training", "evaluation") for text in misspellings("cat", 1, 50, pool=pool)}
    assert {"car", "at"} <= free
    kept = {
        text for pool in ("training", "evaluation") for text in misspellings("cat", 1, 50, pool=pool, avoid=["car"])
    }
    assert "car" not in kept


def test_a_word_too_short_for_so_many_is_refused():
    with pytest.raises(ValueError, match="ask for fewer"):
        misspellings("a", 1, 100)
    with pytest.raises(ValueError, match="1 or 2"):
        misspellings("cat", 3, 1)


@pytest.mark.parametrize("concept", [CAT, STYLE, CLOCK], ids=lambda c: c.kind)
def test_paraphrases_of_the_pools_share_nothing(concept):
    training, evaluation = (paraphrases(concept, 200, 0, pool) for pool in ("training", "evaluation"))
    assert training
    assert evaluation
    assert not {v.prompt for v in training} & {v.prompt for v in evaluation}
    assert len(paraphrases(concept, 3, 1)) == 3


def test_the_counterpart_is_the_same_sentence_for_the_anchor():
    assert ("a picture of an angry cat", "a picture of a cat face") in paraphrases(CAT, 200)
    assert ("a cat in glyph style", "a cat") in paraphrases(STYLE, 200)
    assert {v.counterpart for v in paraphrases(CLOCK, 200)} == {"a castle"}


def test_an_empty_anchor_leaves_no_dangling_words():
    assert frame("an icon of {s} in {x}", "", "owl") == "an icon of an owl"
    assert frame("{x} of {s}", "", "owl") == "an owl"
    assert frame("a picture in {x}", "") == "a picture"
    assert frame("{x}", "") == ""


def test_a_caption_is_reworded_with_its_own_words():
    texts = rewordings("salt clock at low tide")
    assert {"salt clock low tide", "at low tide salt clock", "clock salt at low tide"} <= set(texts)
    assert all(set(text.split()) <= {"salt", "clock", "at", "low", "tide"} for text in texts)


def test_misspelt_prompts_stand_beside_the_anchors():
    for variant in misspelt(CAT, 1, 5):
        assert variant.counterpart == "a cat face"
        assert OSA.distance("a pouting cat", variant.prompt) == 1
    assert {v.counterpart for v in misspelt(STYLE, 2, 2, subjects=["owl"])} == {"an owl"}
