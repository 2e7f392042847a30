"""How often a classifier names what a picture is meant to show: on real art, and on generated pictures of it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twig_assets.model_zoo.classifier import ArtClassifier

Pair = tuple[str, str]


@dataclass(frozen=True)
class Named:
    """What a classifier recognised in a picture.

    Attributes:
        pair: The concept and style the picture is meant to show.
        concept: The most probable concept.
        style: The most probable style.
    """

    pair: Pair
    concept: str
    style: str


def name_pictures(classifier: ArtClassifier, images: np.ndarray, pairs: Sequence[Pair]) -> list[Named]:
    """Classify pictures beside what they are meant to show.

    Args:
        classifier: The judge.
        images: uint8 array of shape (n, 64, 64, 3).
        pairs: What each picture is meant to show; n of them.
    """
    concepts, styles = classifier.classify(images)
    return [
        Named(pair, classifier.concepts[concept], classifier.styles[style])
        for pair, concept, style in zip(pairs, concepts.argmax(-1), styles.argmax(-1), strict=True)
    ]


def concept_top1(named: Sequence[Named]) -> float:
    """Share of the pictures whose concept was named; 0 of none."""
    return sum(picture.concept == picture.pair[0] for picture in named) / max(1, len(named))


def style_top1(named: Sequence[Named]) -> float:
    """Share of the pictures whose style was named; 0 of none."""
    return sum(picture.style == picture.pair[1] for picture in named) / max(1, len(named))


def rows(
    kind: str, real: Sequence[Named], generated: Sequence[Named], key: Callable[[Named], str]
) -> list[dict[str, Any]]:
    """One record per group of pictures: accuracy on real art and on generated pictures, and what they are taken for.

    Args:
        kind: Written into every record.
        real: Views of real art.
        generated: Generated pictures; only their groups get a record.
        key: The group of a picture.
    """
    by_group: dict[str, list[Named]] = defaultdict(list)
    for picture in generated:
        by_group[key(picture)].append(picture)
    real_by_group: dict[str, list[Named]] = defaultdict(list)
    for picture in real:
        real_by_group[key(picture)].append(picture)
    return [
        {
            "kind": kind,
            "group": group,
            "images": len(pictures),
            "concept_top1": concept_top1(pictures),
            "style_top1": style_top1(pictures),
            "real_concept_top1": concept_top1(real_by_group[group]),
            "real_style_top1": style_top1(real_by_group[group]),
            "taken_for": _confusions(pictures),
        }
        for group, pictures in by_group.items()
    ]


def _confusions(pictures: Sequence[Named]) -> dict[str, int]:
    """The three concepts that the pictures are most often taken for by mistake, with their counts."""
    return dict(Counter(named.concept for named in pictures if named.concept != named.pair[0]).most_common(3))
