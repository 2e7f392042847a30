"""What an audit finds of copies planted on purpose: recall, measured in the run that relies on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from twig_assets.similarity.corpus.index import Evidence, ReferenceIndex, gather
from twig_assets.similarity.corpus.references import ReferenceImage
from twig_assets.similarity.detectors.copies import TRANSFORMS, transformed
from twig_assets.similarity.orientations import ORIENTATIONS
from twig_assets.similarity.structural.pair_scores import pair_scores
from twig_assets.similarity.verdicts.policy import Policy
from twig_assets.similarity.verdicts.rule import Thresholds, is_behind


@dataclass(frozen=True)
class PlantedRecall:
    """How many of the planted copies were found.

    Attributes:
        copies: How many were planted: one of each transform, of works taken in turn.
        found: How many would fail for the work they were made of, by SSIM or by a detector.
        candidates: How many had that work among those that the detectors look at closely.
        missed: The transform and the work's title of each that was not found.
        search: Share of the works nearest by exact search that the index's own search also finds; 1 if it is exact.
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
    """Plant a copy of each kind and look whether it is found.

    Args:
        references: The corpus.
        policy: The thresholds to find copies by.
        index: The index of the references, in their order.
        grounds: uint8 array of shape (n, H, W, 3), one at least: audited images. Copies are made at their size, and
            pasted onto them.
        seed: Chooses the works and what is random in a transform; the same copies for the same corpus and grounds.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(references)).tolist()
    pixels = [reference.pixels for reference in references]
    thresholds = policy.model_dump()
    found = candidates = 0
    missed: list[str] = []
    overlaps: list[float] = []
    for turn, name in enumerate(TRANSFORMS):
        source = order[turn % len(order)]
        work = sized(pixels[source], max(grounds.shape[1:3]))
        copy = transformed(work, name, rng, grounds[turn % len(grounds)])
        views = {i for i, reference in enumerate(references) if reference.sha256 == references[source].sha256}
        own = [evidence for evidence in gather(index, pixels, copy, policy.candidates) if evidence.reference in views]
        candidates += bool(own)
        overlaps.append(index.search_recall(copy, policy.candidates))
        if is_found(copy, pixels[source], own, thresholds):
            found += 1
        else:
            missed.append(f"{name}: {references[source].title}")
    return PlantedRecall(len(TRANSFORMS), found, candidates, tuple(missed), float(np.mean(overlaps)), index.exact)


def is_found(copy: np.ndarray, work: np.ndarray, own: Sequence[Evidence], thresholds: Thresholds) -> bool:
    """Whether a copy would fail for the work that it was made of.

    Args:
        copy: uint8 (H, W, 3).
        work: uint8 (h, w, 3).
        own: What the detectors say of this work, as far as they looked at it.
        thresholds: Fields of the policy.
    """
    scores = [*(evidence.scores for evidence in own), _structural(copy, work)]
    return any(is_behind(of_work, thresholds, "fail") for of_work in scores)


def _structural(copy: np.ndarray, work: np.ndarray) -> dict[str, float | None]:
    scores = pair_scores(copy[None], [work], masks=None, orientations=len(ORIENTATIONS), listed=1)
    return {"ssim": float(scores.whole[0, 0]), "iw_ssim": float(scores.informed[0, 0])}


def sized(picture: np.ndarray, long_side: int) -> np.ndarray:
    """A picture whose longer side has this length: uint8 (h, w, 3)."""
    scale = long_side / max(picture.shape[:2])
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))
