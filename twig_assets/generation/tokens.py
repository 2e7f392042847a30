"""Which tokens of a text hold a part of it, by the places that a tokenizer says its tokens come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TokenSpan:
    """Where one text encoder's tokens hold a part of a prompt, as rows of `Conditioning.tokens`.

    Attributes:
        first: The first of the part's rows.
        last: The last of them.
        stop: The row after this encoder's last; the rows of another encoder may follow.
    """

    first: int
    last: int
    stop: int


def tokens_between(tokenizer: Any, text: str, start: int, end: int) -> tuple[int, int]:
    """The first and the last token of a text that come from its characters `start` to `end` (exclusive).

    For an empty part, both are the text's last token.

    Raises:
        ValueError: If no token comes from there.
    """
    encoded = tokenizer(text, truncation=False, return_offsets_mapping=True)
    if start == end:
        return (len(encoded.input_ids) - 1,) * 2
    at = [i for i, (begin, stop) in enumerate(encoded.offset_mapping) if begin < end and stop > start and stop > begin]
    if not at:
        raise ValueError(f"no token of {text!r} comes from {text[start:end]!r}")
    return at[0], at[-1]


def spans_of_words(tokenizer: Any, text: str, start: int, words: Sequence[str]) -> list[range]:
    """The tokens of each of the words that follow each other in a text from `start` on, with a space between them."""
    spans = []
    for word in words:
        start = text.index(word, start)
        first, last = tokens_between(tokenizer, text, start, start + len(word))
        spans.append(range(first, last + 1))
        start += len(word)
    return spans


def whole_words(tokenizer: Any) -> set[str]:
    """The words that a tokenizer knows as one token: CLIP's end in `</w>`, others begin with a sign for a space."""
    vocabulary = tokenizer.get_vocab()
    ending = {token.removesuffix("</w>") for token in vocabulary if token.endswith("</w>")}
    return ending or {token[1:] for token in vocabulary if token[:1] in ("▁", "Ġ") and token[1:]}
