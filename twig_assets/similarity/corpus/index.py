"""References made ready for the detectors, and the ones worth a closer look for an image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from twig_assets.similarity.corpus.search import EXACT_UP_TO, BinarySearch, CosineSearch, exact_cosine
from twig_assets.similarity.detectors.hog import hog, hog_orientations
from twig_assets.similarity.detectors.local_features import VARIANTS, Features, local_features
from twig_assets.similarity.detectors.local_nbnn import LocalVotes
from twig_assets.similarity.detectors.pdq import pdq, pdq_orientations

Embedder = Callable[[np.ndarray], np.ndarray]
"""uint8 picture (H, W, 3) -> float32 vector of unit length."""


@dataclass
class Candidate:
    """A reference worth a closer look.

    Attributes:
        reference: Its index.
        proposed_by: Names of the sources it is among the nearest of.
    """

    reference: int
    proposed_by: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Query:
    """An image's own descriptors, computed once.

    Attributes:
        hogs: float16 (8, LENGTH), see `hog_orientations`.
        hashes: uint8 (8, 32), see `pdq_orientations`.
        variants: Name of each of VARIANTS -> its features.
        embeddings: Name of each embedder -> float32 vector.
    """

    hogs: np.ndarray
    hashes: np.ndarray
    variants: dict[str, Features]
    embeddings: dict[str, np.ndarray]


class ReferenceIndex:
    """Descriptors of all references, searchable.

    Holds, per reference, 3 KiB for HOG, 32 bytes for PDQ and at most 75 KiB for 300 local features.
    """

    def __init__(
        self,
        pictures: Sequence[np.ndarray],
        embedders: dict[str, Embedder] | None = None,
        exact_up_to: int = EXACT_UP_TO,
    ):
        """Describe every reference.

        Args:
            pictures: uint8 arrays of shape (h, w, 3) of any size, one at least.
            embedders: Further sources, such as CLIP or SSCD, by name.
            exact_up_to: See `CosineSearch`; for works, and for their local features all together.
        """
        self.embedders = embedders or {}
        self.hogs = np.stack([hog(picture) for picture in pictures])
        self.hashes = np.stack([pdq(picture) for picture in pictures])
        self.features = [local_features(picture) for picture in pictures]
        self.embeddings = {
            name: np.stack([embed(picture) for picture in pictures]) for name, embed in self.embedders.items()
        }
        self._hog_search = CosineSearch(self.hogs, exact_up_to)
        self._pdq_search = BinarySearch(self.hashes)
        self._votes = LocalVotes(self.features, exact_up_to)
        self._embedding_search = {name: CosineSearch(vectors, exact_up_to) for name, vectors in self.embeddings.items()}

    def __len__(self) -> int:
        return len(self.features)

    def describe(self, image: np.ndarray) -> Query:
        """Everything the detectors need to know of an image, uint8 (H, W, 3)."""
        features = local_features(image)
        return Query(
            hog_orientations(image),
            pdq_orientations(image),
            {name: features.variant(name) for name in VARIANTS},
            {name: embed(image) for name, embed in self.embedders.items()},
        )

    def candidates(self, query: Query, k: int) -> list[Candidate]:
        """The k references nearest to an image by each source, in order of index."""
        proposed: dict[int, list[str]] = {}
        for source, references in self._sources(query, k):
            for reference in references:
                sources = proposed.setdefault(reference, [])
                if source not in sources:
                    sources.append(source)
        return [Candidate(reference, tuple(sources)) for reference, sources in sorted(proposed.items())]

    @property
    def exact(self) -> bool:
        """Whether every source compares with every reference."""
        return self._hog_search.exact and self._votes.exact

    def search_recall(self, image: np.ndarray, k: int) -> float:
        """Share of the k works nearest by gradients, found by comparing with all, that the search finds too."""
        if self._hog_search.exact:
            return 1.0
        turned = hog_orientations(image)
        everything, near = exact_cosine(turned, self.hogs, k), self._hog_search.nearest(turned, k)
        wanted = _first(everything.indices, -everything.scores, k)
        return len(set(wanted) & set(_first(near.indices, -near.scores, k))) / len(wanted)

    def _sources(self, query: Query, k: int) -> list[tuple[str, list[int]]]:
        votes = self._votes.votes([one.descriptors for one in query.variants.values()])
        hogs = self._hog_search.nearest(query.hogs, k)
        hashes = self._pdq_search.nearest(query.hashes, k)
        found = [
            ("hog", _first(hogs.indices, -hogs.scores, k)),
            ("pdq", _first(hashes.indices, hashes.scores, k)),
            ("local features", [int(i) for i in np.argsort(-votes, kind="stable")[:k] if votes[i] > 0]),
        ]
        for name, search in self._embedding_search.items():
            near = search.nearest(query.embeddings[name][None], k)
            found.append((name, _first(near.indices, -near.scores, k)))
        return found


def _first(indices: np.ndarray, distances: np.ndarray, k: int) -> list[int]:
    """The k nearest of all rows together, each once."""
    order = np.argsort(distances, axis=None, kind="stable")
    nearest = dict.fromkeys(int(i) for i in indices.ravel()[order] if i >= 0)
    return list(nearest)[:k]
