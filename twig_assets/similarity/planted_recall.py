"""What an audit finds of copies planted on purpose: recall, measured in the run that relies on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from twig_assets.similarity.audit import audit
from twig_assets.similarity.detectors import ReferenceIndex
from twig_assets.similarity.detectors.copies import TRANSFORMS, transformed
from twig_assets.similarity.policy import Policy
from twig_assets.similarity.references import ReferenceImage


@dataclass(frozen=True)
class PlantedRecall:
    """How many of the planted copies were found.

    Attributes:
        copies: How many were planted: one of each transform, of works taken in turn.
        found: How many failed for the work they were made of.
        candidates: How many had that work among those that the detectors looked at closely.
        missed: The transform and the work's title of each that was not found.
        search: Share of the nearest works by exact search that the index's own search also found; 1 if it is exact.
        exact: Whether the index compares with every work.
    """

    copies: int
    found: int
    candidates: int
    missed: tuple[str, ...]
    search: float
    exact: bool


def planted_recall(
    references: Sequence[ReferenceImage],
    policy: Policy,
    index: ReferenceIndex,
    grounds: np.ndarray,
    seed: int = 0,
) -> PlantedRecall:
    """Plant a copy of each kind and audit it as any image.

    Args:
        references: The corpus.
        policy: Thresholds.
        index: Of these references.
        grounds: uint8 array of shape (n, H, W, 3), one at least: the audited images. Copies are made at their size,
            and pasted onto them.
        seed: Chooses the works and what is random in a transform; the same copies for the same corpus.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(references))
    long_side = max(grounds.shape[1:3])
    found = candidates = 0
    missed, overlaps = [], []
    for turn, name in enumerate(TRANSFORMS):
        source = int(order[turn % len(order)])
        work = _sized(references[source].pixels, long_side)
        copy = transformed(work, name, rng, grounds[turn % len(grounds)])
        query = index.describe(copy)
        candidates += source in {one.reference for one in index.candidates(query, policy.candidates)}
        overlaps.append(index.search_recall(query, policy.candidates))
        if _is_found(copy, source, references, policy, index):
            found += 1
        else:
            missed.append(f"{name}: {references[source].title}")
    return PlantedRecall(len(TRANSFORMS), found, candidates, tuple(missed), float(np.mean(overlaps)), index.exact)


def _is_found(
    copy: np.ndarray, source: int, references: Sequence[ReferenceImage], policy: Policy, index: ReferenceIndex
) -> bool:
    [result] = audit(copy[None], references, policy, index=index)
    work = references[source].sha256
    return result.verdict == "fail" and any(
        match.reference_sha256 == work and (match.fired or match.ssim >= policy.ssim_threshold)
        for match in result.matches
    )


def _sized(picture: np.ndarray, long_side: int) -> np.ndarray:
    scale = long_side / max(picture.shape[:2])
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))
