"""What speaks for an image being a copy of a reference, and how it was copied."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twig_assets.similarity.corpus.index import Query, ReferenceIndex
from twig_assets.similarity.detectors.alignment import Alignment, align, laid_on
from twig_assets.similarity.detectors.local_features import VARIANTS, on_canvas


@dataclass(frozen=True)
class Evidence:
    """Scores of one image and one reference.

    Attributes:
        reference: Index of the reference.
        proposed_by: The sources that named it a candidate; empty when it was asked for.
        hog_cosine: Of the gradients, the best of eight orientations, -1 to 1.
        pdq_distance: Bits of 256 that differ, the fewest of eight orientations.
        sift_inliers: One-to-one keypoint matches that agree on how the reference lies on the image.
        alignment_strength: See `Alignment.strength`; 0 when it could not be laid on the image.
        aligned_ssim: Structural similarity where it lies so, -1 to 1; None when it could not be laid on the image.
        embedding_cosines: Cosine of each further source.
        copied: How, if it is a copy: `identical`, or some of `mirrored`, `rotated`, `cropped`, `pasted in`,
            `recoloured`; empty when it could not be laid on the image.
        alignment: Where it lies; None when it could not be laid on the image.
    """

    reference: int
    proposed_by: tuple[str, ...]
    hog_cosine: float
    pdq_distance: int
    sift_inliers: int
    alignment_strength: float
    aligned_ssim: float | None
    embedding_cosines: dict[str, float]
    copied: tuple[str, ...]
    alignment: Alignment | None


def gather(
    index: ReferenceIndex, pictures: Sequence[np.ndarray], image: np.ndarray, k: int, also: Sequence[int] = ()
) -> list[Evidence]:
    """Look closely at the candidates for an image.

    Args:
        index: Of the references.
        pictures: The references themselves, in the index's order.
        image: uint8 array of shape (H, W, 3).
        k: Candidates of each source.
        also: References to look at whatever the sources say.
    """
    query = index.describe(image)
    proposed = {one.reference: one.proposed_by for one in index.candidates(query, k)}
    wanted = sorted({*proposed, *also})
    return [_pair(index, pictures[i], image, query, i, proposed.get(i, ())) for i in wanted]


def _pair(
    index: ReferenceIndex, picture: np.ndarray, image: np.ndarray, query: Query, i: int, by: tuple[str, ...]
) -> Evidence:
    differing = np.bitwise_count(query.hashes ^ index.hashes[i]).sum(axis=1)
    cosines = query.hogs.astype(np.float32) @ index.hogs[i].astype(np.float32)
    found = best_alignment(index, query, i)
    return Evidence(
        reference=i,
        proposed_by=by,
        hog_cosine=float(cosines.max()),
        pdq_distance=int(differing.min()),
        sift_inliers=found.inliers if found else 0,
        alignment_strength=found.strength if found else 0.0,
        aligned_ssim=found.ssim if found else None,
        embedding_cosines={
            name: float(query.embeddings[name] @ vectors[i]) for name, vectors in index.embeddings.items()
        },
        copied=how_copied(found, image, picture) if found else (),
        alignment=found,
    )


def best_alignment(index: ReferenceIndex, query: Query, i: int) -> Alignment | None:
    """The alignment that most speaks for: of the image as it is, mirrored, inverted, or both; the first of equals."""
    found = (align(query.variants[name], index.features[i], name) for name in VARIANTS)
    return max((one for one in found if one), key=lambda one: (one.strength, one.inliers), default=None)


def how_copied(alignment: Alignment, image: np.ndarray, reference: np.ndarray) -> tuple[str, ...]:
    """Name what was done to a reference, from how it lies on the image.

    Args:
        alignment: Of the reference on the image.
        image: uint8 array of shape (H, W, 3).
        reference: uint8 array of shape (h, w, 3).
    """
    ways = {
        "mirrored": "mirrored" in alignment.variant,
        "rotated": abs(alignment.degrees) > 3,
        "cropped": alignment.used < 0.93 and alignment.covered > 0.85,
        "pasted in": alignment.covered < 0.7 and alignment.used > 0.5,
        "recoloured": _recoloured(alignment, on_canvas(image), on_canvas(reference)),
    }
    return tuple(way for way, so in ways.items() if so) or ("identical",)


def _recoloured(alignment: Alignment, image: np.ndarray, reference: np.ndarray) -> bool:
    """Whether colours differ by more than a twelfth of the scale on average, where the reference lies."""
    if "inverted" in alignment.variant:
        return True
    ours = image[:, ::-1] if "mirrored" in alignment.variant else image
    laid, inside = laid_on(reference, alignment.matrix, ours.shape[:2])
    if not inside.any():
        return False
    return float(np.abs(laid[inside].astype(np.float32) - ours[inside]).mean()) > 255 / 12
