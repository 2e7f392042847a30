"""Audit images against protected works: scores, the nearest works and a verdict.

A verdict is an opinion about similarity, not about infringement.
"""

from collections.abc import Sequence

import numpy as np

from twig_assets.similarity.comparison import Comparison
from twig_assets.similarity.corpus.described import Described, DescribedWorks
from twig_assets.similarity.corpus.index import ReferenceIndex, gather
from twig_assets.similarity.corpus.references import EmptyCorpusError, ReferenceImage
from twig_assets.similarity.corpus.views import one_view_each, works_of
from twig_assets.similarity.detectors.detector import Source
from twig_assets.similarity.detectors.registry import opened_sources
from twig_assets.similarity.orientations import ORIENTATIONS
from twig_assets.similarity.result import KEPT_MATCHES, AuditResult
from twig_assets.similarity.structural.pair_scores import Near, make_exact, pair_scores
from twig_assets.similarity.structural.pictures import BORDER
from twig_assets.similarity.verdicts.judging import gated, inconclusive, judge, shown, structural_kinds
from twig_assets.similarity.verdicts.policy import Policy
from twig_assets.similarity.verdicts.rule import triggered


def audit(
    images: np.ndarray,
    references: Sequence[ReferenceImage],
    policy: Policy,
    *,
    masks: np.ndarray | None = None,
    labels: Sequence[str] | None = None,
    index: DescribedWorks | None = None,
    kept: int = KEPT_MATCHES,
) -> list[AuditResult]:
    """Compare images with every reference in all eight orientations, and let the detectors look for other copies.

    Args:
        images: uint8 array of shape (n, H, W, 3). References of another size are resized to H x W.
        references: The corpus. Views of the same work have the same `sha256`; matches name works, each once, by the
            view that is most alike.
        policy: Thresholds and quality gate.
        masks: bool array of shape (n, H, W), True on the foreground of each image; all False where there is none.
        labels: A name for each image, `image 0` and so on by default.
        index: The index of the references, in their order; made when it is not given.
        kept: How many matches a result lists at most, 1 or more.

    Returns:
        One result per image, in order.

    Raises:
        EmptyCorpusError: If there are no references; an audit against nothing would pass everything.
        ValueError: If shapes, types or lengths are other than this.
    """
    names = [f"image {i}" for i in range(len(images))] if labels is None else list(labels)
    if len(names) != len(images):
        raise ValueError(f"labels: {len(names)} names for {len(images)} images; give one each")
    if not references:
        raise EmptyCorpusError("references: there are none; an audit against nothing would pass everything")
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(f"images: expected uint8 (n, H, W, 3), got {images.dtype} {images.shape}")
    if masks is not None and (masks.dtype != np.bool_ or masks.shape != images.shape[:3]):
        raise ValueError(f"masks: expected bool {images.shape[:3]}, got {masks.dtype} {masks.shape}")
    gates = [gated(image.shape[:2], float(image.std()), policy) for image in images]
    results = {
        i: inconclusive(names[i], float(images[i].std()), reason, policy)
        for i, reason in enumerate(gates)
        if reason is not None
    }
    judged = [i for i in range(len(images)) if i not in results]
    if judged:
        if index is None:
            index = indexed(references, opened_sources(policy.model_dump()))
        if len(index) != len(references):
            raise ValueError(f"index: holds {len(index)} works, there are {len(references)} references")
        mask_pixels = [None if masks is None else int(masks[i].sum()) for i in judged]
        usable = _usable_masks(images, masks, policy)[judged]
        comparisons = _compared(images[judged], usable, mask_pixels, references, policy, index, kept)
        for i, comparison in zip(judged, comparisons, strict=True):
            results[i] = judge(comparison, references, policy, names[i], kept)
    return [results[i] for i in range(len(images))]


def compare_closely(
    image: np.ndarray, references: Sequence[ReferenceImage], index: DescribedWorks, described: Described
) -> Comparison:
    """Compare an image with works, all scores exact and every detector asked of each: enough for any policy.

    Args:
        image: uint8 array of shape (H, W, 3), at least 11 px on each side.
        references: The works; few of them.
        index: What describes them, in their order.
        described: The image's descriptions by the sources of the index.
    """
    pixels = [reference.pixels for reference in references]
    scores = pair_scores(
        image[None],
        pixels,
        masks=None,
        orientations=len(ORIENTATIONS),
        listed=len(references),
        works=index.resized,
    )
    evidence = gather(index, pixels, image, len(references), also=range(len(references)), described=described)
    return Comparison.of(image, None, pixels, scores, 0, evidence)


def _compared(
    images: np.ndarray,
    masks: np.ndarray,
    mask_pixels: Sequence[int | None],
    references: Sequence[ReferenceImage],
    policy: Policy,
    index: DescribedWorks,
    kept: int,
) -> list[Comparison]:
    """Each image beside all works, exact where a score is shown or may decide under the policy."""
    pixels = [reference.pixels for reference in references]
    scores = pair_scores(
        images,
        pixels,
        masks=masks,
        orientations=len(ORIENTATIONS),
        listed=kept,
        near=_near(policy),
        works=index.resized,
    )
    comparisons = []
    for row, image in enumerate(images):

        def exact(columns: set[int], row: int = row, image: np.ndarray = image) -> None:
            for column in sorted(columns):
                make_exact(scores, row, column, image, pixels[column], masks[row], index.resized)

        ranked = np.argsort(-scores.whole[row], kind="stable").tolist()
        exact(set(one_view_each(ranked, references, kept)) - set(ranked[:kept]))
        comparison = Comparison.of(image, mask_pixels[row], pixels, scores, row)
        kinds = structural_kinds(comparison, policy)
        looked_at = {*shown(comparison, kinds, references, kept), *(kind.nearest for kind in kinds)}
        evidence = gather(index, pixels, image, policy.candidates, also=sorted(looked_at))
        exact({pair.reference for pair in evidence if triggered(pair.scores, policy.model_dump())} - looked_at)
        comparisons.append(Comparison.of(image, mask_pixels[row], pixels, scores, row, evidence))
    return comparisons


def _usable_masks(images: np.ndarray, masks: np.ndarray | None, policy: Policy) -> np.ndarray:
    if masks is None:
        return np.zeros(images.shape[:3], dtype=bool)
    inner = masks[:, BORDER:-BORDER, BORDER:-BORDER].sum(axis=(1, 2))
    return masks & (inner >= policy.min_mask_pixels)[:, None, None]


def _near(policy: Policy) -> Near | None:
    """From where on SSIM decides if it is borne out; None where only the highest counts."""
    if policy.iw_ssim_threshold is None:
        return None
    least = (policy.ssim_threshold, policy.masked_ssim_threshold, policy.iw_ssim_threshold)
    return Near(*(value - policy.review_margin for value in least))


def indexed(references: Sequence[ReferenceImage], sources: Sequence[Source]) -> ReferenceIndex:
    """The index of references; views of one work are its views there too.

    Args:
        references: The views.
        sources: What describes and compares, see `opened_sources`.
    """
    return ReferenceIndex([reference.pixels for reference in references], sources, works=works_of(references))
