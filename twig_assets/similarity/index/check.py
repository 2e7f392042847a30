"""What an index misses: copies of some works are looked for in it, and by comparing with every work of a sample."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from twig_assets.similarity.detectors.copies import TRANSFORMS, transformed
from twig_assets.similarity.detectors.detector import Source
from twig_assets.similarity.detectors.hog import Hog
from twig_assets.similarity.detectors.registry import opened_sources
from twig_assets.similarity.index.candidates import Candidate, DescribedImage, candidates, described_image
from twig_assets.similarity.index.reader import CorpusIndex
from twig_assets.similarity.index.sketches import SCANNED_UP_TO, compared_with_all, nearest_vectors
from twig_assets.similarity.index.writer import IndexWriter
from twig_assets.similarity.orientations import ORIENTATIONS
from twig_assets.similarity.structural.resized import ResizedWorks
from twig_assets.similarity.structural.scan import InformedQueries
from twig_assets.similarity.verdicts.policy import Policy
from twig_assets.similarity.versions import SCORING

QUERIES = 36
"""Copies that are looked for: two in each of the eighteen ways."""

COMPARED = 2048
"""Of a large corpus so many views, drawn by lot, and the copied works are compared with exhaustively."""

_SEED = 20240611
_CHUNK = 256
_NEAREST = 8


@dataclass(frozen=True)
class IndexRecall:
    """What a sampled comparison with all works says about an index.

    Attributes:
        queries: Copies that were looked for.
        compared: Views that each was compared with.
        copies_proposed: Share of the copies for which the index proposes the copied work; some copies, such as small
            crops, resemble their work in nothing that is compared.
        alike: How often a work reached a threshold of the policy (less its margin) by SSIM at 64 px, gradients or PDQ,
            counting for each copy and measure the most alike only.
        candidate_recall: Share of these works that the index proposes; 1 if there are none.
        vector_recall: Share of the 8 views nearest by the vectors of each descriptor that its sketches find too.
    """

    queries: int
    compared: int
    copies_proposed: float
    alike: int
    candidate_recall: float
    vector_recall: float

    def as_row(self) -> dict[str, float]:
        """As the manifest keeps it."""
        return {name: float(value) for name, value in asdict(self).items()}


def index_recall(
    index: CorpusIndex,
    sources: Sequence[Source],
    policy: Policy,
    *,
    queries: int = QUERIES,
    compared: int = COMPARED,
    among: np.ndarray | None = None,
    copied_from: np.ndarray | None = None,
) -> IndexRecall:
    """Measure what the search for candidates loses.

    Args:
        index: The works; one at least.
        sources: The opened detectors.
        policy: Thresholds from which on a work counts as alike.
        queries: How many copies are made.
        compared: Views, beside the copied ones, that each copy is compared with.
        among: int64, rows that may be compared with; all by default.
        copied_from: int64, rows that may be copied; those of `among` by default.
    """
    rng = np.random.default_rng(_SEED)
    there = np.flatnonzero(~index.removed) if among is None else among
    copied = _drawn(there if copied_from is None else copied_from, queries, rng)
    sample = np.unique(np.concatenate([copied, rng.permutation(there)[:compared]]))
    ground = index.picture(int(copied[-1])).pixels
    images = [
        described_image(
            transformed(index.picture(int(row)).pixels, TRANSFORMS[i % len(TRANSFORMS)], rng, ground), sources
        )
        for i, row in enumerate(copied)
    ]
    found = candidates(index, images)
    alike = _alike(index, images, sample, policy)
    proposed = [_works(index, of_image) for of_image in found]
    hits = [index.work(row) in works for rows, works in zip(alike, proposed, strict=True) for row in rows]
    own = [index.work(int(row)) in works for row, works in zip(copied, proposed, strict=True)]
    return IndexRecall(
        queries=queries,
        compared=len(sample),
        copies_proposed=float(np.mean(own)),
        alike=len(hits),
        candidate_recall=float(np.mean(hits)) if hits else 1.0,
        vector_recall=vector_recall(index, images[:_NEAREST]),
    )


def _drawn(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rows by lot, none twice before all were drawn."""
    return rng.permutation(rows)[np.arange(count) % len(rows)]


def _works(index: CorpusIndex, proposed: Sequence[Candidate]) -> set[bytes]:
    return {index.work(candidate.row) for candidate in proposed}


def _alike(index: CorpusIndex, images: Sequence[DescribedImage], sample: np.ndarray, policy: Policy) -> list[list[int]]:
    """For each image the row most alike by each measure, where it reaches the policy's threshold."""
    best: list[dict[str, tuple[float, int]]] = [{} for _ in images]
    for start in range(0, len(sample), _CHUNK):
        rows = sample[start : start + _CHUNK]
        for name, scores in _scores(index, images, rows, policy).items():
            for image, of_image in enumerate(scores):
                top = int(of_image.argmax())
                if np.isfinite(of_image[top]) and of_image[top] > best[image].get(name, (-np.inf, 0))[0]:
                    best[image][name] = float(of_image[top]), int(rows[top])
    return [sorted({row for _, row in of_image.values()}) for of_image in best]


def _scores(
    index: CorpusIndex, images: Sequence[DescribedImage], rows: np.ndarray, policy: Policy
) -> dict[str, np.ndarray]:
    """For each measure (images, rows): how alike they are, -inf where a threshold is not reached."""
    small = np.stack([image.small for image in images])
    ssim, informed = np.full((2, len(images), len(rows)), -np.inf)
    prepared = InformedQueries(small, np.zeros(small.shape[:3], bool), len(ORIENTATIONS))
    works = ResizedWorks()
    for column, pixels in enumerate(list(index.pixels(rows))):
        whole, weighted, *_ = prepared.scores(works.at(pixels, *small.shape[1:3]))
        best = whole.argmax(axis=1)[:, None]
        ssim[:, column] = np.take_along_axis(whole, best, 1)[:, 0]
        informed[:, column] = np.take_along_axis(weighted, best, 1)[:, 0]
    least = -1.0 if policy.iw_ssim_threshold is None else policy.iw_ssim_threshold - policy.review_margin
    near = (ssim >= policy.ssim_threshold - policy.review_margin) & (informed >= least)
    scores = {"ssim": np.where(near, ssim, -np.inf)}
    if policy.pdq_distance_at_most is not None:
        hashes = np.stack([index.hash_of(int(row)) for row in rows])
        queries = np.stack([image.hashes for image in images])
        bits = np.bitwise_count(queries[:, :, None] ^ hashes).sum(axis=3, dtype=np.int64).min(axis=1)
        scores["pdq"] = np.where(bits <= policy.pdq_distance_at_most, -bits.astype(float), -np.inf)
    if policy.hog_cosine_at_least is not None and Hog.descriptor in index.manifest.vectors:
        queries = np.stack([image.vectors[Hog.descriptor] for image in images])
        cosines = np.einsum("iod,rd->ior", queries, index.vectors(Hog.descriptor, rows)).max(axis=1)
        scores["hog"] = np.where(cosines >= policy.hog_cosine_at_least, cosines, -np.inf)
    return scores


def vector_recall(index: CorpusIndex, images: Sequence[DescribedImage]) -> float:
    """Over a segment that has sketches, as searched here and by comparing with all its vectors; see `IndexRecall`."""
    shares = []
    for name in index.manifest.vectors:
        segments = [segment.vectors[name] for segment in index.segments if segment.vectors[name].sketches is not None]
        if segments:
            queries = np.stack([image.vectors[name] for image in images])
            near = nearest_vectors(segments[:1], queries, _NEAREST, every=len(index) <= SCANNED_UP_TO)
            everything = [scores for _, _, scores in compared_with_all(segments[0].vectors, queries)]
            wanted = np.argsort(-np.concatenate(everything, axis=1), axis=1, kind="stable")[:, :_NEAREST]
            index.let_go()
            shares += [
                len(set(a) & set(b)) / _NEAREST for a, b in zip(near.indices.tolist(), wanted.tolist(), strict=True)
            ]
    return float(np.mean(shares)) if shares else 1.0


def check_index(folder: Path, policy: Policy, queries: int = QUERIES) -> IndexRecall:
    """Measure what the search in an index loses, and keep it in the index.

    Raises:
        CorpusIndexError: If the index cannot be used, or the file of a work has changed.
    """
    recall = index_recall(CorpusIndex(folder), opened_sources(policy.model_dump()), policy, queries=queries)
    with IndexWriter(folder, SCORING) as writer:
        writer.note_recall(recall.as_row())
    return recall
