"""Auditing images against an index: its candidates are compared at the image's own size, like the works of a folder."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from twig_assets.similarity.audit import audit
from twig_assets.similarity.corpus.references import ReferenceImage
from twig_assets.similarity.detectors.detector import Source
from twig_assets.similarity.index.candidates import CANDIDATES, candidates, described_image
from twig_assets.similarity.index.reader import CorpusIndex
from twig_assets.similarity.result import AuditResult
from twig_assets.similarity.verdicts.policy import Policy

BATCH = 32
"""Images that are searched for together."""

_KEPT_BYTES = 256 << 20


class IndexedWorks:
    """The works of an index, and the pictures of those that were looked at last."""

    def __init__(self, index: CorpusIndex, sources: Sequence[Source]) -> None:
        """Hold an index.

        Args:
            index: The works.
            sources: The opened detectors of the policy, see `opened_sources`.
        """
        self.index, self._sources = index, sources
        self._kept: OrderedDict[int, ReferenceImage] = OrderedDict()

    def picture(self, row: int) -> ReferenceImage:
        """See `CorpusIndex.picture`."""
        if row not in self._kept:
            self._kept[row] = self.index.picture(row)
            while sum(kept.pixels.nbytes for kept in self._kept.values()) > _KEPT_BYTES and len(self._kept) > 1:
                self._kept.popitem(last=False)
        self._kept.move_to_end(row)
        return self._kept[row]

    def candidates(
        self, images: Sequence[np.ndarray], excluded: Sequence[str | None] = (), k: int = CANDIDATES
    ) -> list[list[ReferenceImage]]:
        """For each image, uint8 (h, w, 3), the views of works worth a closer look, in order of row."""
        described = [described_image(image, self._sources) for image in images]
        found = candidates(self.index, described, k, excluded)
        return [[self.picture(candidate.row) for candidate in of_image] for of_image in found]


def audit_indexed(
    images: Sequence[np.ndarray],
    works: IndexedWorks,
    policy: Policy,
    *,
    masks: Sequence[np.ndarray | None] | None = None,
    labels: Sequence[str] | None = None,
) -> list[AuditResult]:
    """Audit images of any sizes against an index; see `audit`.

    Args:
        images: uint8 arrays of shape (h, w, 3).
        works: The index.
        policy: Thresholds.
        masks: For each image bool (h, w), or None.
        labels: A name for each image.

    Returns:
        One result per image, in order.

    Raises:
        EmptyCorpusError: If the index has no works.
        CorpusIndexError: If the file of a candidate is not what it was.
    """
    results = []
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        for number, references in enumerate(works.candidates(batch), start):
            mask = None if masks is None else masks[number]
            results += audit(
                images[number][None],
                references,
                policy,
                masks=None if mask is None else mask[None],
                labels=[f"image {number}" if labels is None else labels[number]],
            )
    return results
