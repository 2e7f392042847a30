import pytest

from twig_assets.generation import family_of
from twig_assets.regeneration.object_tokens import ObjectTokensError, object_tokens, object_words

PROMPT = "a red apple, noto style on a blue background"


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a sticker of a red apple, noto style", ["red", "apple"]),
        ("a sailboat on a green background", ["sailboat"]),
        ("On the moon", ["moon"]),
        ("the cartographer's machine", ["cartographer's", "machine"]),
        ("a picture", []),
    ],
)
def test_the_objects_words_are_what_is_left_of_the_head_of_the_prompt(prompt, words):
    assert object_words(prompt) == words


def test_the_chosen_tokens_spell_the_objects_words(pipeline):
    tokens = object_tokens(family_of(pipeline), [PROMPT, "the owl"])
    ids = pipeline.tokenizer([PROMPT, "the owl"], padding="max_length", max_length=32, return_tensors="pt").input_ids
    spelled = [pipeline.tokenizer.decode(row[chosen]) for row, chosen in zip(ids, tokens, strict=True)]
    assert [text.replace(" ", "") for text in spelled] == ["redapple", "owl"]


def test_a_prompt_without_an_object_is_refused(pipeline):
    with pytest.raises(ObjectTokensError, match="'a picture' names no object"):
        object_tokens(family_of(pipeline), [PROMPT, "a picture"])
