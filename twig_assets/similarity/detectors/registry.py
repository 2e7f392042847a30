"""Which detectors there are. A new one is named here, and needs no other line outside its own file."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from twig_assets.similarity.detectors.alignment_strength import AlignmentStrength
from twig_assets.similarity.detectors.clip import Clip
from twig_assets.similarity.detectors.detector import Detector, Source
from twig_assets.similarity.detectors.edges import Edges
from twig_assets.similarity.detectors.hog import Hog
from twig_assets.similarity.detectors.pdq import Pdq
from twig_assets.similarity.detectors.sift import Sift
from twig_assets.similarity.detectors.sscd import Sscd

_DETECTORS: list[Detector] = [AlignmentStrength(), Sift(), Pdq(), Sscd(), Hog(), Edges()]


def detectors() -> tuple[Detector, ...]:
    """All detectors, the one that says most about a copy first."""
    return tuple(_DETECTORS)


@contextmanager
def registered(detector: Detector) -> Iterator[Detector]:
    """Add a detector for a while, such as one of your own that is not part of this project.

    Raises:
        ValueError: If its name, score or policy field is taken.
    """
    for other in _DETECTORS:
        taken = {detector.name, detector.score, detector.field.name} & {other.name, other.score, other.field.name}
        if taken:
            raise ValueError(f"detector {detector.name}: {', '.join(sorted(taken))} is taken; choose another name")
    _DETECTORS.append(detector)
    try:
        yield detector
    finally:
        _DETECTORS.remove(detector)


def opened_sources(policy: Mapping[str, Any]) -> list[Source]:
    """The detectors that a policy gives all they need, and CLIP if it names one.

    Args:
        policy: Field -> value; an empty one gives the detectors that need no model.

    Raises:
        ModelFileError: If a model that the policy names cannot be used.
    """
    ready = [detector.opened(policy) for detector in _DETECTORS]
    clip = Clip.opened(policy)
    return [source for source in (*ready, clip) if source is not None]
