"""Auditing images against an index: its candidates are compared at the image's own size, like the works of a folder."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twig_assets.similarity.audit import audit
from twig_assets.similarity.corpus.described import Candidate, Described, DescribedWorks, by_descriptor
from twig_assets.similarity.corpus.recent import Recent
from twig_assets.similarity.corpus.references import ReferenceImage
from twig_assets.similarity.detectors.detector import Source
from twig_assets.similarity.detectors.pdq import Pdq
from twig_assets.similarity.detectors.registry import opened_sources
from twig_assets.similarity.index.candidates import CANDIDATES, DescribedImage, candidates, image_of, near_under
from twig_assets.similarity.index.describe import check_identities
from twig_assets.similarity.index.reader import CorpusIndex
from twig_assets.similarity.result import AuditResult
from twig_assets.similarity.structural.resized import ResizedWorks
from twig_assets.similarity.verdicts.policy import Policy

BATCH = 32
"""Images that are searched for together."""

_PICTURE_BYTES = 192 << 20
_DESCRIPTION_BYTES = 64 << 20


class IndexedWorks:
    """The works of an index, and what was read and described of those that were looked at last.

    Attributes:
        index: The works.
        policy: Thresholds.
        sources: Name of a description -> what makes it.
        resized: The works at the sizes of images, as far as they are kept.
    """

    def __init__(self, index: CorpusIndex, policy: Policy, sources: Sequence[Source] | None = None) -> None:
        """Hold an index.

        Args:
            index: The works.
            policy: Says which detectors there are, and from where on a work is near.
            sources: The policy's opened detectors, if they are open.

        Raises:
            CorpusIndexError: If works are described by something else than images would be.
        """
        sources = opened_sources(policy.model_dump()) if sources is None else sources
        check_identities(index.folder, index.manifest, sources)
        self.policy, self._near = policy, near_under(policy.model_dump())
        self.index, self.sources, self.resized = index, by_descriptor(sources), ResizedWorks()
        self._pictures = Recent[int, ReferenceImage](_PICTURE_BYTES, lambda picture: picture.pixels.nbytes)
        self._descriptions = Recent[tuple[str, int], tuple[Any, int]](_DESCRIPTION_BYTES, lambda kept: kept[1])

    def picture(self, row: int) -> ReferenceImage:
        """See `CorpusIndex.picture`."""
        return self._pictures.get(row, lambda: self.index.picture(row))

    def description(self, name: str, row: int) -> Any:
        """What a source makes of a view: as the index has it, else of the view's picture."""
        if name in self.index.manifest.vectors:
            return self.index.vectors(name, np.array([row]))[0]
        if name == Pdq.descriptor:
            return self.index.hash_of(row)
        return self._descriptions.get((name, row), lambda: self._made(name, row))[0]

    def described(self, images: Sequence[np.ndarray]) -> list[Described]:
        """All descriptions of each image, uint8 (h, w, 3)."""
        return [{name: source.describe_image(image) for name, source in self.sources.items()} for image in images]

    def candidates(
        self,
        images: Sequence[np.ndarray],
        masks: Sequence[np.ndarray | None] | None = None,
        excluded: Sequence[str | None] = (),
        k: int = CANDIDATES,
        described: Sequence[Described] | None = None,
    ) -> list[list[int]]:
        """For each image, uint8 (h, w, 3), the rows of the views worth a closer look, in order.

        Args:
            images: The images.
            masks: For each bool (h, w), or None.
            excluded: See `candidates`.
            k: See `candidates`.
            described: What `described` gives, if that is known.
        """
        described = self.described(images) if described is None else described
        masks = [None] * len(images) if masks is None else masks
        asked: list[DescribedImage] = [
            image_of(pixels, of_image, self.index.manifest.vectors, mask)
            for pixels, of_image, mask in zip(images, described, masks, strict=True)
        ]
        found = candidates(self.index, asked, k, list(excluded), near=self._near)
        return [[candidate.row for candidate in of_image] for of_image in found]

    def at(self, rows: Sequence[int], described: Described) -> DescribedWorks:
        """Some views, each worth a closer look, for the image that was described so."""
        return _Looked(self, rows, described)

    def _made(self, name: str, row: int) -> tuple[Any, int]:
        source = self.sources[name]
        description = source.describe(self.picture(row).pixels)
        return description, sum(array.nbytes for array in source.arrays(description).values())


class _Looked(DescribedWorks):
    """The candidates for one image, whose descriptions are known."""

    def __init__(self, works: IndexedWorks, rows: Sequence[int], image: Described) -> None:
        self.sources: Mapping[str, Source] = works.sources
        self.resized = works.resized
        self._works, self._rows, self._image = works, rows, image

    def __len__(self) -> int:
        return len(self._rows)

    def description(self, name: str, reference: int) -> Any:
        return self._works.description(name, self._rows[reference])

    def candidates(self, image: Described, k: int) -> list[Candidate]:
        return [Candidate(i, ()) for i in range(len(self))]

    def describe(self, image: np.ndarray) -> Described:
        return self._image


def audit_indexed(
    images: Sequence[np.ndarray],
    works: IndexedWorks,
    *,
    masks: Sequence[np.ndarray | None] | None = None,
    labels: Sequence[str] | None = None,
) -> list[AuditResult]:
    """Audit images of any sizes against an index; see `audit`.

    Args:
        images: uint8 arrays of shape (h, w, 3).
        works: The index, and the policy.
        masks: For each image bool (h, w), or None.
        labels: A name for each image.

    Returns:
        One result per image, in order.

    Raises:
        EmptyCorpusError: If the index has no works.
        CorpusIndexError: If the file of a candidate is not what it was.
    """
    masks = [None] * len(images) if masks is None else masks
    results = []
    for start in range(0, len(images), BATCH):
        part = slice(start, start + BATCH)
        described = works.described(images[part])
        found = works.candidates(images[part], masks[part], described=described)
        for number, rows, of_image in zip(range(start, start + len(found)), found, described, strict=True):
            mask = masks[number]
            results += audit(
                images[number][None],
                # Of one image at a time, so that no more pictures are in memory.
                [works.picture(row) for row in rows],
                works.policy,
                masks=None if mask is None else mask[None],
                labels=[f"image {number}" if labels is None else labels[number]],
                index=works.at(rows, of_image),
            )
    return results
