"""Views of works: frames, pages and grounds are compared each by itself, and a work is named once."""

from collections.abc import Iterable, Sequence

import numpy as np

from twig_assets.similarity.corpus.references import ReferenceImage

SAME_DRAWING = 31
"""Views of a work whose PDQ hashes differ in at most as many bits share their local features."""


def view_key(sha256: str, label: str) -> str:
    """The key of a view: the hash of the file, and the view's label if it has one."""
    return f"{sha256} {label}" if label else sha256


def one_view_each(ranked: Iterable[int], references: Sequence[ReferenceImage], count: int | None = None) -> list[int]:
    """Of views in an order of rank the first one of each work.

    Args:
        ranked: Indices of references, the first in rank first; some may be there twice.
        references: The views; those of one work have the same `sha256`.
        count: Of how many works at most; all by default.
    """
    first: dict[str, int] = {}
    for i in ranked:
        if len(first) == count:
            break
        first.setdefault(references[i].sha256, i)
    return list(first.values())


def works_of(references: Sequence[ReferenceImage]) -> list[int]:
    """For each view the number of its work, from 0 in order of first appearance."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(reference.sha256, len(numbers)) for reference in references]


def first_views(references: Sequence[ReferenceImage]) -> list[ReferenceImage]:
    """Every work by its first view."""
    return [references[i] for i in one_view_each(range(len(references)), references)]


def drawings(codes: Sequence[np.ndarray]) -> list[int]:
    """Those views of one work that differ clearly from all before them.

    A local feature that many views of a work share would count as one that all works have.

    Args:
        codes: The PDQ hash of each view, uint8 (32,).
    """
    kept: list[int] = []
    for i, code in enumerate(codes):
        if all(np.bitwise_count(code ^ codes[other]).sum() > SAME_DRAWING for other in kept):
            kept.append(i)
    return kept
