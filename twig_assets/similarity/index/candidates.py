"""The works of an index that are worth a closer look for an image."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twig_assets.similarity.corpus.described import Described
from twig_assets.similarity.corpus.sizes import squeezed
from twig_assets.similarity.detectors.alignment_strength import AlignmentStrength
from twig_assets.similarity.detectors.detector import Source
from twig_assets.similarity.detectors.image_features import ImageFeatures
from twig_assets.similarity.detectors.local_features import Features
from twig_assets.similarity.detectors.pdq import Pdq, pdq_orientations
from twig_assets.similarity.detectors.registry import detectors
from twig_assets.similarity.index.describe import by_cosine
from twig_assets.similarity.index.local_search import local_votes_each
from twig_assets.similarity.index.pdq_tables import MAX_DISTANCE, look_up_all
from twig_assets.similarity.index.reader import CorpusIndex
from twig_assets.similarity.index.rows import SIDE
from twig_assets.similarity.index.sketches import nearest_vectors
from twig_assets.similarity.orientations import ORIENTATIONS
from twig_assets.similarity.structural.resized import Resized
from twig_assets.similarity.structural.scan import InformedQueries, ssim_all_pairs

CANDIDATES = 8
"""How many works each source proposes at most."""

BY_SSIM = 6
"""How many by SSIM, however little alike they are: an audit names the nearest works of every image."""

NEAR = {"hog": 0.45, "edges": 0.6, "sscd": 0.4}
"""Cosines from which on vectors propose a work by themselves. Below, it neither reaches a threshold by its vector nor
is it a copy that its local features do not show as well; of other descriptors each of the nearest is proposed."""

POOL = 32
"""So many works by each description are ranked by SSIM at SIDE x SIDE pixels, which is not compared with all works."""

ALL_BY_SSIM = 1024
"""In an index of at most so many rows all are ranked so."""

HASHES = 32
"""How many rows are kept of those near each of an image's hashes."""


@dataclass(frozen=True, eq=False)
class DescribedImage:
    """What an index is asked with.

    Attributes:
        small: uint8 (SIDE, SIDE, 3).
        hashes: uint8 (8, 32): PDQ in eight orientations.
        vectors: Name of a descriptor -> float32 (orientations, length).
        variants: Local features of the image as it is, mirrored and so on.
        mask: bool (SIDE, SIDE), its foreground; None without one.
    """

    small: np.ndarray
    hashes: np.ndarray
    vectors: dict[str, np.ndarray]
    variants: Sequence[Features]
    mask: np.ndarray | None = None


@dataclass(frozen=True)
class Candidate:
    """A view of a work that is worth a closer look.

    Attributes:
        row: Its row in the index.
        proposed_by: `ssim`, `masked ssim`, `pdq`, `local features` or names of descriptors by which it is among the
            nearest.
    """

    row: int
    proposed_by: tuple[str, ...]


def described_image(pixels: np.ndarray, sources: Sequence[Source]) -> DescribedImage:
    """Describe an image, uint8 (h, w, 3), by SSIM's thumbnail, hash, vectors and local features."""
    by_name = by_cosine(sources)
    return image_of(pixels, {name: source.describe_image(pixels) for name, source in by_name.items()}, by_name)


def image_of(
    pixels: np.ndarray, described: Described, vectors: Iterable[str], mask: np.ndarray | None = None
) -> DescribedImage:
    """An image that was described already.

    Args:
        pixels: uint8 (h, w, 3).
        described: Its descriptions; PDQ and local features are made if they are not among them.
        vectors: Names of those that an index searches by cosine.
        mask: bool (h, w), its foreground; None without one.
    """
    searched = {name: np.atleast_2d(np.asarray(described[name], np.float32)) for name in vectors if name in described}
    hashes = described[Pdq.descriptor] if Pdq.descriptor in described else pdq_orientations(pixels)
    local = described.get(AlignmentStrength.descriptor) or ImageFeatures(pixels)
    return DescribedImage(
        squeezed(pixels, SIDE),
        hashes,
        searched,
        list(local.variants.values()),
        None if mask is None or not mask.any() else squeezed(mask.astype(np.uint8) * 255, SIDE) > 127,
    )


def near_under(thresholds: Mapping[str, Any]) -> dict[str, float]:
    """NEAR, but for descriptors of which a policy takes less for a copy.

    Args:
        thresholds: Field of the policy -> value.
    """
    limits = {detector.descriptor: thresholds.get(detector.field.name) for detector in detectors()}
    return {name: min(least, limits.get(name) or least) for name, least in NEAR.items()}


def candidates(
    index: CorpusIndex,
    images: Sequence[DescribedImage],
    k: int = CANDIDATES,
    excluded: Sequence[str | None] = (),
    threads: int = 1,
    near: Mapping[str, float] = NEAR,
    ssim: bool = True,
) -> list[list[Candidate]]:
    """The works nearest to each image by each source.

    Args:
        index: The works.
        images: The images; searched together, so that what is read of the index is read once.
        k: How many works each source proposes.
        excluded: For each image a work, by its hash, that is passed over; None for none.
        threads: For PDQ.
        near: See `near_under`.
        ssim: Whether SSIM proposes works, too, which costs the most where there are few.

    Returns:
        For each image its candidates, in order of row.
    """
    if not images:
        return []
    left_out = list(excluded) or [None] * len(images)
    by_vectors = _by_vectors(index, images, near)
    by_source = {"pdq": _by_hash(index, images, threads)}
    by_source |= {name: [rows for rows, _ in nearest] for name, nearest in by_vectors.items()}
    by_source["local features"] = _by_local_features(index, images)
    everything = np.flatnonzero(~index.removed) if len(index) <= ALL_BY_SSIM else np.zeros(0, np.int64)
    found = []
    for number, image in enumerate(images):
        passed = None if left_out[number] is None else bytes.fromhex(str(left_out[number]))
        pools = {name: _works(index, rows[number], POOL, passed) for name, rows in by_source.items()}
        pool = np.union1d(everything, np.array(sorted({row for rows in pools.values() for row in rows}), np.int64))
        for name, nearest in by_vectors.items():
            rows, count = nearest[number]
            enough = set(rows[:count])
            pools[name] = [row for row in pools[name] if row in enough]
        for name, ranked in (_by_ssim(index, image, pool) if ssim else {}).items():
            pools[name] = _works(index, ranked, min(k, BY_SSIM), passed)
        proposed: dict[int, list[str]] = {}
        for name, rows in pools.items():
            for row in rows[:k]:
                proposed.setdefault(row, []).append(name)
        found.append([Candidate(row, tuple(sorted(names))) for row, names in sorted(proposed.items())])
    index.let_go()
    return found


def _by_hash(index: CorpusIndex, images: Sequence[DescribedImage], threads: int) -> list[list[int]]:
    queries = np.concatenate([image.hashes for image in images])
    found = look_up_all([segment.hashes for segment in index.segments], queries, MAX_DISTANCE, HASHES, threads)
    turns = len(ORIENTATIONS)
    rows = found.rows.reshape(len(images), turns * HASHES)
    distances = found.distances.reshape(len(images), turns * HASHES)
    order = np.lexsort((rows, distances), axis=1)
    return [
        list(dict.fromkeys(row for row in ranked if row >= 0)) for ranked in np.take_along_axis(rows, order, 1).tolist()
    ]


def _by_vectors(
    index: CorpusIndex, images: Sequence[DescribedImage], enough: Mapping[str, float]
) -> dict[str, list[tuple[list[int], int]]]:
    """By each descriptor, for each image, the nearest rows, and how many of them are near enough."""
    found = {}
    for name in index.manifest.vectors:
        if all(name in image.vectors for image in images):
            queries = np.stack([image.vectors[name] for image in images])
            segments = [segment.vectors[name] for segment in index.segments]
            near = nearest_vectors(segments, queries, 2 * POOL, read=lambda number: index.segments[number].let_go())
            counts = (near.scores >= enough.get(name, -1.0)).sum(axis=1).tolist()
            rows = [[row for row in of_image if row >= 0] for of_image in near.indices.tolist()]
            found[name] = list(zip(rows, counts, strict=True))
    return found


def _by_local_features(index: CorpusIndex, images: Sequence[DescribedImage]) -> list[list[int]]:
    tables = [segment.local for segment in index.segments]
    variants = [image.variants for image in images]
    votes = local_votes_each(tables, index.counts, variants, searched=lambda number: index.segments[number].let_go())
    return [of_image["row"][: 4 * POOL].tolist() for of_image in votes]


def _by_ssim(index: CorpusIndex, image: DescribedImage, pool: np.ndarray) -> dict[str, list[int]]:
    """The rows of a pool, the most alike first: by the whole picture, and inside the image's mask if it has one."""
    if len(pool) == 0:
        return {}
    pictures = index.pixels(pool)
    if image.mask is None:
        [whole] = ssim_all_pairs(image.small[None], pictures, orientations=len(ORIENTATIONS))
        return {"ssim": _ranked(pool, whole)}
    prepared = InformedQueries(image.small[None], image.mask[None], len(ORIENTATIONS))
    scores = [prepared.scores(Resized(picture, SIDE, SIDE))[:, 0].max(axis=1) for picture in pictures]
    whole, _, masked, _ = np.transpose(scores)
    return {"ssim": _ranked(pool, whole), "masked ssim": [] if np.isnan(masked).any() else _ranked(pool, masked)}


def _ranked(rows: np.ndarray, scores: np.ndarray) -> list[int]:
    return [int(row) for row in rows[np.argsort(-scores, kind="stable")]]


def _works(index: CorpusIndex, ranked: Iterable[int], count: int, passed: bytes | None) -> list[int]:
    """Of ranked rows the first of each work, of so many works; removed ones and one more are passed over."""
    first: dict[bytes, int] = {}
    for row in ranked:
        if len(first) == count:
            break
        if not index.removed[row] and (work := index.work(row)) != passed:
            first.setdefault(work, row)
    return list(first.values())
