"""Works with their descriptions, which are made once and asked for by name."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from twig_assets.similarity.detectors.detector import Detector, Source
from twig_assets.similarity.structural.resized import ResizedWorks

Described = dict[str, Any]
"""Name of a descriptor -> what it makes of an image."""


@dataclass
class Candidate:
    """A reference worth a closer look.

    Attributes:
        reference: Its index.
        proposed_by: Names of the descriptors by which it is among the nearest.
    """

    reference: int
    proposed_by: tuple[str, ...]


def by_descriptor(sources: Sequence[Source]) -> dict[str, Source]:
    """Name of a descriptor -> the first source that makes it."""
    named: dict[str, Source] = {}
    for source in sources:
        named.setdefault(source.descriptor, source)
    return named


class DescribedWorks(Protocol):
    """Some works, what describes them, and their descriptions.

    Attributes:
        sources: Name of a descriptor -> what makes it.
        resized: The works at the sizes of images, as far as they are kept; None to keep none.
    """

    sources: Mapping[str, Source]
    resized: ResizedWorks | None

    @abstractmethod
    def __len__(self) -> int:
        """How many works, or views of works."""

    @abstractmethod
    def description(self, name: str, reference: int) -> Any:
        """What a source made of a work: the description of this name."""

    @abstractmethod
    def candidates(self, image: Described, k: int) -> list[Candidate]:
        """The works worth a closer look for a described image, k by each source or more, in order of index."""

    def describe(self, image: np.ndarray) -> Described:
        """All descriptions of an image, uint8 (H, W, 3)."""
        return {name: source.describe_image(image) for name, source in self.sources.items()}

    def compare(self, detector: Detector, image: Described, reference: int) -> float | None:
        """The score of a described image beside a work; None when nothing describes what the detector compares."""
        if detector.descriptor not in self.sources:
            return None
        return detector.compare(image[detector.descriptor], self.description(detector.descriptor, reference))


class Descriptions(Protocol):
    """Where the descriptions of views of works are kept."""

    @property
    def sources(self) -> Mapping[str, Source]:
        """Name of a descriptor -> what makes it."""

    def of_view(self, name: str, key: str, picture: Callable[[], np.ndarray]) -> Any:
        """The description of this name of a view.

        Args:
            name: One of `sources`.
            key: The view's key, see `view_key`.
            picture: Gives the view, uint8 (h, w, 3); called if its description is not kept and has to be made.
        """


class ChosenWorks(DescribedWorks):
    """A few works that were chosen as candidates before, each worth a closer look."""

    def __init__(
        self, keys: Sequence[str], pictures: Sequence[np.ndarray], descriptions: Descriptions, resized: ResizedWorks
    ) -> None:
        """Name the works.

        Args:
            keys: The key of each view.
            pictures: The views themselves.
            descriptions: Where their descriptions are kept.
            resized: Where they are kept at the sizes of images.
        """
        self.sources, self.resized = descriptions.sources, resized
        self._keys, self._pictures, self._descriptions = keys, pictures, descriptions

    def __len__(self) -> int:
        return len(self._keys)

    def description(self, name: str, reference: int) -> Any:
        """See `DescribedWorks`."""
        return self._descriptions.of_view(name, self._keys[reference], lambda: self._pictures[reference])

    def candidates(self, image: Described, k: int) -> list[Candidate]:
        """All of them."""
        return [Candidate(i, ()) for i in range(len(self))]
