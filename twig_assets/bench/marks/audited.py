"""Whether a mark changes what the audit says: verdicts of releases, and copies of works that it finds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from twig_assets.bench.audit.copy_sets import SEED
from twig_assets.bench.marks.released import marked
from twig_assets.similarity import Policy, ReferenceImage, ReferenceIndex, audit, opened_sources
from twig_assets.similarity.detectors.copies import TRANSFORMS, transformed

POLICY = Policy()


@dataclass(frozen=True)
class Judged:
    """The verdict on a picture before and after it was marked.

    Attributes:
        of: `release`, or the kind of copy of a work.
        before: Without the mark.
        after: With it.
    """

    of: str
    before: str
    after: str


class Auditor:
    """Audits pictures against some works."""

    def __init__(self, works: Sequence[ReferenceImage]) -> None:
        """Describe the works."""
        self._works = list(works)
        self._index = ReferenceIndex([work.pixels for work in works], opened_sources(POLICY.model_dump()))

    def judged(self, of: str, before: np.ndarray, after: np.ndarray) -> Judged:
        """The verdicts on a picture, uint8 (h, w, 3), and the same marked."""
        verdicts = [audit(x[None], self._works, POLICY, index=self._index)[0].verdict for x in (before, after)]
        return Judged(of, *verdicts)

    def releases(self, originals: Sequence[np.ndarray], pictures: Sequence[np.ndarray]) -> list[Judged]:
        """The verdicts on releases."""
        pairs = tqdm(list(zip(originals, pictures, strict=True)), "verdicts")
        return [self.judged("release", before, after) for before, after in pairs]

    def copies(self, each: int, grounds: Sequence[np.ndarray]) -> list[Judged]:
        """The verdicts on copies of works in eighteen kinds, `each` of every kind, marked as if they had been drawn."""
        rng = np.random.default_rng(SEED)
        chosen = rng.permutation(len(self._works))
        judged = []
        for place, kind in enumerate(tqdm(TRANSFORMS, "copies of works")):
            for i in range(each):
                work = self._works[int(chosen[(place * each + i) % len(chosen)])]
                copy = transformed(work.pixels, kind, rng, grounds[i % len(grounds)])
                judged.append(self.judged(kind, copy, marked(copy)))
        return judged
