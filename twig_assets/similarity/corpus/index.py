"""References made ready for the detectors: the ones worth a closer look for an image, and that closer look."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twig_assets.similarity.corpus.described import (
    Candidate,
    Described,
    DescribedWorks,
    by_descriptor,
)
from twig_assets.similarity.corpus.local_nbnn import LocalVotes
from twig_assets.similarity.corpus.search import EXACT_UP_TO, BinarySearch, CosineSearch, exact_cosine
from twig_assets.similarity.corpus.views import drawings
from twig_assets.similarity.detectors.alignment import Alignment
from twig_assets.similarity.detectors.alignment_strength import AlignmentStrength, how_copied
from twig_assets.similarity.detectors.detector import Source
from twig_assets.similarity.detectors.hog import Hog
from twig_assets.similarity.detectors.image_features import ImageFeatures
from twig_assets.similarity.detectors.pdq import pdq
from twig_assets.similarity.detectors.registry import detectors, opened_sources
from twig_assets.similarity.structural.resized import ResizedWorks


@dataclass(frozen=True)
class Evidence:
    """What the detectors say about one image and one reference.

    Attributes:
        reference: Index of the reference.
        proposed_by: See `Candidate`; empty when somebody asked for it.
        scores: Score of every detector, None from one that is not in use; and `aligned_ssim`, the structural
            similarity where the reference lies on the image, -1 to 1, None when it could not be laid on it, and
            `aligned_iw_ssim`, the same weighted by local information.
        copied: How, if it is a copy; see `how_copied`. Empty when the reference could not be laid on the image.
        alignment: Where the reference lies; None when it could not be laid on the image.
    """

    reference: int
    proposed_by: tuple[str, ...]
    scores: dict[str, float | None]
    copied: tuple[str, ...]
    alignment: Alignment | None


class ReferenceIndex(DescribedWorks):
    """Descriptions of all references, searchable.

    Holds, per reference, 3 KiB for HOG, 32 bytes for PDQ and at most 75 KiB for 300 local features.
    """

    def __init__(
        self,
        pictures: Sequence[np.ndarray],
        sources: Sequence[Source] | None = None,
        exact_up_to: int = EXACT_UP_TO,
        works: Sequence[int] | None = None,
    ):
        """Describe every reference.

        Args:
            pictures: uint8 arrays of shape (h, w, 3) of any size, one at least.
            sources: What describes and compares; the detectors that need no model, by default. See `opened_sources`.
            exact_up_to: See `CosineSearch`; for works, and for their local features all together.
            works: For each picture the number of the work that it is a view of, see `works_of`; each is a work of its
                own by default. Of each work the view that is nearest by a source is its candidate.
        """
        self._count = len(pictures)
        self._works = list(range(len(pictures))) if works is None else list(works)
        self._views = max(Counter(self._works).values(), default=1)
        self.sources = by_descriptor(opened_sources({}) if sources is None else sources)
        self.resized = ResizedWorks()
        self.described = {name: _stacked(source, pictures) for name, source in self.sources.items()}
        self._drawings = _drawings(pictures, self._works)
        self._searches = {
            name: _search(source, self.described[name], exact_up_to, self._drawings)
            for name, source in self.sources.items()
        }

    def __len__(self) -> int:
        return self._count

    def description(self, name: str, reference: int) -> Any:
        """See `DescribedWorks`."""
        return self.described[name][reference]

    def candidates(self, image: Described, k: int) -> list[Candidate]:
        """The k works nearest to a described image by each source, as references in order of index."""
        proposed: dict[int, list[str]] = {}
        for name, search in self._searches.items():
            for reference in self._one_view_each(self._ranked(search, image[name], k), k):
                proposed.setdefault(reference, []).append(name)
        return [Candidate(reference, tuple(names)) for reference, names in sorted(proposed.items())]

    def _ranked(self, search: CosineSearch | BinarySearch | LocalVotes | None, image: Any, k: int) -> list[int]:
        """The views nearest to an image by one source, at least those of the k nearest works, nearest first."""
        if search is None:
            return []
        if isinstance(search, LocalVotes):
            votes = search.votes([features.descriptors for features in image.variants.values()])
            return [self._drawings[i] for i in np.argsort(-votes, kind="stable") if votes[i] > 0]
        wanted = k * self._views
        near = search.nearest(np.atleast_2d(image), wanted)
        return _first(near.indices, near.scores if isinstance(search, BinarySearch) else -near.scores, wanted)

    def _one_view_each(self, ranked: Iterable[int], k: int) -> list[int]:
        """Of views in order of rank the first of each work, of k works."""
        first: dict[int, int] = {}
        for i in ranked:
            if len(first) == k:
                break
            first.setdefault(self._works[i], i)
        return list(first.values())

    @property
    def exact(self) -> bool:
        """Whether every source compares with every reference."""
        return all(search.exact for search in self._searches.values() if search is not None)

    def search_recall(self, image: np.ndarray, k: int) -> float:
        """Share of the k works nearest by gradients, found by comparing with all, that the search finds too."""
        search = self._searches[Hog.descriptor]
        if not isinstance(search, CosineSearch) or search.exact:
            return 1.0
        turned = Hog().describe_image(image)
        everything, near = exact_cosine(turned, search.vectors, k), search.nearest(turned, k)
        wanted = _first(everything.indices, -everything.scores, k)
        return len(set(wanted) & set(_first(near.indices, -near.scores, k))) / len(wanted)


def gather(
    index: DescribedWorks,
    pictures: Sequence[np.ndarray],
    image: np.ndarray,
    k: int,
    also: Sequence[int] = (),
    described: Described | None = None,
) -> list[Evidence]:
    """Look closely at the candidates for an image.

    Args:
        index: The references, described.
        pictures: The references themselves, in the index's order.
        image: uint8 array of shape (H, W, 3).
        k: How many candidates each source proposes, 1 or more.
        also: References to look at whatever the sources say.
        described: What `describe` of the index makes of the image, if that is known.

    Returns:
        One for each candidate, in order of index.
    """
    described = index.describe(image) if described is None else described
    proposed = {candidate.reference: candidate.proposed_by for candidate in index.candidates(described, k)}
    wanted = sorted({*proposed, *also})
    return [_evidence(index, pictures[i], image, described, i, proposed.get(i, ())) for i in wanted]


def _evidence(
    index: DescribedWorks, picture: np.ndarray, image: np.ndarray, described: Described, i: int, by: tuple[str, ...]
) -> Evidence:
    scores = {detector.score: index.compare(detector, described, i) for detector in detectors()}
    alignment = None
    features: ImageFeatures | None = described.get(AlignmentStrength.descriptor)
    if features is not None:
        alignment = features.alignment(index.description(AlignmentStrength.descriptor, i))
    scores["aligned_ssim"] = alignment.ssim if alignment else None
    scores["aligned_iw_ssim"] = alignment.iw_ssim if alignment else None
    copied = how_copied(alignment, image, picture) if alignment else ()
    return Evidence(i, by, scores, copied, alignment)


def _stacked(source: Source, pictures: Sequence[np.ndarray]) -> Any:
    descriptions = [source.describe(picture) for picture in pictures]
    return np.stack(descriptions) if source.search in ("cosine", "bits") else descriptions


def _drawings(pictures: Sequence[np.ndarray], works: Sequence[int]) -> list[int]:
    """The views whose local features are searched: those of a work that differ clearly."""
    views: dict[int, list[int]] = defaultdict(list)
    for i, work in enumerate(works):
        views[work].append(i)
    kept = []
    for of_work in views.values():
        codes = [pdq(pictures[i]) for i in of_work] if len(of_work) > 1 else [np.zeros(32, np.uint8)]
        kept += [of_work[i] for i in drawings(codes)]
    return sorted(kept)


def _search(
    source: Source, described: Any, exact_up_to: int, drawn: Sequence[int]
) -> CosineSearch | BinarySearch | LocalVotes | None:
    match source.search:
        case "cosine":
            return CosineSearch(described, exact_up_to)
        case "bits":
            return BinarySearch(described)
        case "local features":
            return LocalVotes([described[i] for i in drawn], exact_up_to)
        case None:
            return None


def _first(indices: np.ndarray, distances: np.ndarray, k: int) -> list[int]:
    """The k nearest of all rows together, each once."""
    order = np.argsort(distances, axis=None, kind="stable")
    nearest = dict.fromkeys(int(i) for i in indices.ravel()[order] if i >= 0)
    return list(nearest)[:k]
