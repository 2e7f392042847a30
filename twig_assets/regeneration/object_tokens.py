"""Which of a prompt's tokens name the object, for the strategies that work on cross-attention."""

import re
from collections.abc import Sequence
from typing import Any

import torch

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


def object_tokens(tokenizer: Any, prompts: Sequence[str], length: int) -> torch.Tensor:
    """Which positions of the text encoder's output belong to the object.

    Args:
        tokenizer: A CLIP tokenizer.
        prompts: n prompts.
        length: Positions that the text encoder gives.

    Returns:
        bool (n, length).

    Raises:
        ObjectTokensError: If a prompt has none, with the prompt.
    """
    found = torch.zeros(len(prompts), length, dtype=torch.bool)
    for i, prompt in enumerate(prompts):
        wanted, at = set(object_words(prompt)), 1
        for word in _WORD.findall(prompt):
            count = len(tokenizer(word).input_ids) - 2  # a CLIP tokenizer splits at spaces and punctuation first
            found[i, at : at + count] = word in wanted
            at += count
        if not found[i].any():
            raise ObjectTokensError(
                f"prompt {prompt!r} names no object before its first comma; name it there, or choose a strategy "
                f"other than 'suppress' and 'relocate'"
            )
    return found
