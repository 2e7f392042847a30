"""Which of a prompt's tokens name the object, for the strategies that work on cross-attention."""

import re
from collections.abc import Sequence

import torch

from twig_assets.generation import ModelFamily

# What says how or as what the object is drawn, and not what it is.
_FRAMING = set(
    """a an the one of in on at with and or to for by from some this that picture image photo photograph drawing
    painting illustration sketch icon emoji sticker logo style background""".split()  # noqa: SIM905
)
_ASIDE = re.compile(r"\s(?:on|in|with|at|against)\s")
_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


class ObjectTokensError(ValueError):
    """A prompt none of whose tokens names an object."""


def object_words(prompt: str) -> list[str]:
    """The words before the first comma, or before `on`, `in` and the like, that do not merely frame the object."""
    head = prompt.split(",", 1)[0]
    words = [word for word in _WORD.findall(_ASIDE.split(f" {head}", maxsplit=1)[0]) if word.lower() not in _FRAMING]
    return [word for word in words if word[0].isalnum()]


def object_tokens(family: ModelFamily, prompts: Sequence[str]) -> torch.Tensor:
    """Which token positions of prompts belong to the object.

    Args:
        family: Whose text encoder reads them.
        prompts: n prompts.

    Returns:
        bool (n, tokens), true where `Conditioning.tokens` holds a word of the object.

    Raises:
        ObjectTokensError: If a prompt has none, with the prompt.
    """
    chosen = torch.zeros(len(prompts), family.prompt_limit, dtype=torch.bool)
    for i, prompt in enumerate(prompts):
        objects, words = set(object_words(prompt)), _WORD.findall(prompt)
        for word, span in zip(words, family.word_spans(words), strict=True):
            chosen[i, span.start : span.stop] = word in objects
        if not chosen[i].any():
            raise ObjectTokensError(
                f"prompt {prompt!r} names no object before its first comma; name it there, or choose a strategy "
                f"other than 'suppress' and 'relocate'"
            )
    return chosen
