"""Auditing an image without what may be shown of works: a whole work, or parts of one.

A work that is allowed as a whole is left out. Of one that is allowed in parts, the parts are painted over smoothly from
what is around them, and the image is compared with what is left: as it is, and with the same parts painted over where
the work lies on it, by its local features and as a whole. The worst of these verdicts counts. So evidence that lies
wholly within a part disappears, and what else the image has of that work, or of any other, is found as before.

Source of the painting over: Gortler, Grzeszczuk, Szeliski and Cohen, "The Lumigraph", SIGGRAPH 1996, section 3.3.2
(pull and push).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twig_assets.similarity.audit import audit, indexed
from twig_assets.similarity.corpus.index import ReferenceIndex
from twig_assets.similarity.corpus.references import ReferenceImage
from twig_assets.similarity.corpus.views import first_views
from twig_assets.similarity.detectors.alignment import laid_on
from twig_assets.similarity.detectors.detector import Source
from twig_assets.similarity.detectors.image_features import ImageFeatures
from twig_assets.similarity.detectors.local_features import local_features
from twig_assets.similarity.orientations import ORIENTATIONS, oriented, resized
from twig_assets.similarity.result import KEPT_MATCHES, AuditResult, extended
from twig_assets.similarity.structural.ssim import wang_ssim
from twig_assets.similarity.verdicts.judging import gated
from twig_assets.similarity.verdicts.policy import Policy
from twig_assets.similarity.verdicts.rule import Thresholds, is_behind

Part = tuple[float, float, float, float]
"""x, y, width and height of a rectangle, in shares of a picture's width and height, 0 to 1."""

ALLOWED = "allowed: "
"""Begins the reasons that say what was left out."""


def concerned(
    verdict: str,
    thresholds: Thresholds,
    matches: Iterable[tuple[str, Mapping[str, Any]]],
    elements: Iterable[tuple[int, str]],
) -> tuple[int, ...]:
    """The allowed elements that may change the verdict on an image.

    Args:
        verdict: Beside all works as they are.
        thresholds: The fields of the policy that it was given by.
        matches: The works that the audit kept, each as the hash of its file and the scores beside it.
        elements: The elements that hold, each as its id and the hash of its work.

    Returns:
        Their ids: of those whose work is among the kept ones; of all of them where so many works are behind the verdict
        that not all were kept.
    """
    if verdict not in ("fail", "review"):
        return ()
    kept = list(matches)
    unknown = sum(is_behind(scores, thresholds, verdict) for _, scores in kept) >= KEPT_MATCHES
    works = {sha256 for sha256, _ in kept}
    return tuple(element_id for element_id, work in elements if unknown or work in works)


@dataclass(frozen=True)
class Allowed:
    """What may be shown of a work.

    Attributes:
        work: Hash of its file.
        parts: The parts of it; none for the whole work.
    """

    work: str
    parts: tuple[Part, ...] = ()


class RestOfWorks:
    """A corpus without what is allowed of it, described once for many images."""

    def __init__(
        self,
        references: Sequence[ReferenceImage],
        allowed: Iterable[Allowed],
        policy: Policy,
        sources: Sequence[Source],
    ) -> None:
        """Paint over what is allowed, and describe what is left.

        Args:
            references: The corpus, all views of all works.
            allowed: What may be shown; several of one work count together.
            policy: Thresholds and quality gate.
            sources: What describes works, see `opened_sources`.
        """
        self._policy = policy
        by_work = _by_work(allowed)
        first = {reference.sha256: reference.pixels.shape for reference in first_views(references)}
        self._whole = {sha256: parts for sha256, parts in by_work.items() if parts}
        self._originals: list[ReferenceImage] = []
        left: list[ReferenceImage] = []
        rests: list[ReferenceImage] = []
        for reference in references:
            parts = by_work.get(reference.sha256)
            if parts is None:
                left.append(reference)
                continue
            # A part is drawn on a work's first view; a view of another shape shows something else there.
            if parts and reference.pixels.shape != first[reference.sha256]:
                left.append(reference)
            elif parts and (rest := _rest(reference, parts, policy)) is not None:
                rests.append(rest)
                self._originals.append(reference)
        self._references = [*left, *rests]
        self._rests = rests
        self._index = indexed(self._references, sources) if self._references else None
        self._rest_index = indexed(rests, sources) if rests else None

    def audit(self, image: np.ndarray, mask: np.ndarray, label: str) -> AuditResult | None:
        """The verdict on an image by what is left of the works.

        Args:
            image: uint8 (H, W, 3).
            mask: bool (H, W), its foreground; all False where there is none.
            label: Its name.

        Returns:
            The worst of the verdicts on the image as it is and with the parts painted over. None where nothing is left
            to compare with, so that nothing can be said.
        """
        if self._index is None:
            return None
        worst = self._audited(image, mask, label, self._references, self._index)
        for painted in self._painted(image):
            result = self._audited(painted, mask, label, self._rests, self._rest_index)
            worst = _one_match_each(extended(worst, result))
        return worst

    def _audited(
        self,
        image: np.ndarray,
        mask: np.ndarray,
        label: str,
        works: Sequence[ReferenceImage],
        index: ReferenceIndex | None,
    ) -> AuditResult:
        return audit(image[None], works, self._policy, masks=mask[None], labels=[label], index=index)[0]

    def _painted(self, image: np.ndarray) -> Iterator[np.ndarray]:
        """The image with the parts of each work painted over, where the work may lie on it."""
        if not self._rests or gated(image.shape[:2], float(image.std()), self._policy):
            return
        features = ImageFeatures(image)
        for work in self._originals:
            hole = _hole(work.pixels.shape[:2], self._whole[work.sha256])
            for place in (_by_features(features, image, work.pixels, hole), _as_a_whole(image, work.pixels, hole)):
                if place is None or not place.any() or place.all():
                    continue
                painted = painted_over(image, place)
                # Where nothing but the part is on the image, nothing is left that could be a copy.
                if gated(painted.shape[:2], float(painted.std()), self._policy) is None:
                    yield painted


def painted_over(pixels: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """A picture with a part painted over smoothly from what is around it.

    Args:
        pixels: uint8 (H, W, 3).
        hole: bool (H, W): the part; not all of the picture.

    Returns:
        uint8 (H, W, 3), the same outside the part.
    """
    import cv2

    weight = (~hole).astype(np.float32)
    levels = [(pixels.astype(np.float32) * weight[..., None], weight)]
    while max(weight.shape) > 1:
        colour, weight = levels[-1]
        size = (-(-weight.shape[1] // 2), -(-weight.shape[0] // 2))
        weight = np.asarray(cv2.resize(weight, size, interpolation=cv2.INTER_AREA))
        colour = np.asarray(cv2.resize(colour, size, interpolation=cv2.INTER_AREA)).reshape(*weight.shape, 3)
        levels.append((colour, weight))
    colour, weight = levels[-1]
    painted = colour / np.maximum(weight, 1e-6)[..., None]
    for colour, weight in reversed(levels[:-1]):
        size = (weight.shape[1], weight.shape[0])
        above = np.asarray(cv2.resize(painted, size, interpolation=cv2.INTER_LINEAR)).reshape(*weight.shape, 3)
        known = np.minimum(weight * 2, 1.0)[..., None]
        painted = known * colour / np.maximum(weight, 1e-6)[..., None] + (1 - known) * above
    return np.where(hole[..., None], painted.round().clip(0, 255), pixels).astype(np.uint8)


def _one_match_each(result: AuditResult) -> AuditResult:
    """A result that names every work once, though it was compared more than once."""
    first = {match.reference_sha256: match for match in reversed(result.matches)}
    kept = sorted(first.values(), key=lambda match: match.rank)
    return replace(result, matches=[replace(match, rank=rank) for rank, match in enumerate(kept, start=1)])


def _by_work(allowed: Iterable[Allowed]) -> Mapping[str, tuple[Part, ...]]:
    """Hash of a work -> the parts that are allowed of it, none for the whole of it."""
    by_work: dict[str, tuple[Part, ...]] = {}
    for element in allowed:
        before = by_work.get(element.work)
        whole = not element.parts or before == ()
        by_work[element.work] = () if whole else (*(before or ()), *element.parts)
    return by_work


def _rest(work: ReferenceImage, parts: Sequence[Part], policy: Policy) -> ReferenceImage | None:
    """A work without its allowed parts; None where nothing but plain ground is left of it."""
    hole = _hole(work.pixels.shape[:2], parts)
    outside = work.pixels[~hole]
    if not len(outside) or outside.std() < policy.min_contrast:
        return None
    return replace(work, pixels=painted_over(work.pixels, hole))


def _hole(size: tuple[int, ...], parts: Iterable[Part]) -> np.ndarray:
    """Where parts lie on a picture of a size: bool (h, w)."""
    height, width = size
    hole = np.zeros((height, width), bool)
    for x, y, across, down in parts:
        left, right = round(x * width), round((x + across) * width)
        top, bottom = round(y * height), round((y + down) * height)
        hole[top:bottom, left:right] = True
    return hole


def _by_features(features: ImageFeatures, image: np.ndarray, work: np.ndarray, hole: np.ndarray) -> np.ndarray | None:
    """Where parts of a work lie on an image by its local features: bool (H, W); None where they do not say."""
    of_work = local_features(work)
    alignment = features.alignment(of_work)
    if alignment is None:
        return None
    canvas = resized(hole, *of_work.grey.shape).astype(np.uint8)
    laid, inside = laid_on(canvas, alignment.matrix, features.variants[alignment.variant].grey.shape)
    place = (laid > 0) & inside
    if alignment.variant.startswith("mirrored"):
        place = place[:, ::-1]
    return resized(np.ascontiguousarray(place), image.shape[0], image.shape[1])


def _as_a_whole(image: np.ndarray, work: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Where parts of a work lie on an image if it is the whole work, in the orientation most alike: bool (H, W)."""
    height, width = image.shape[:2]
    turned = {name: resized(oriented(work, name), height, width) for name in ORIENTATIONS}
    best = max(ORIENTATIONS, key=lambda name: wang_ssim(image, turned[name]))
    return resized(oriented(hole, best), height, width)
