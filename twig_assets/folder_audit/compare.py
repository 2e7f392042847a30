"""Compare images with a corpus: with all of it squeezed, and with what is most alike there at the image's own size."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from twig_assets.catalog.hashing import sha256_of
from twig_assets.folder_audit.corpus import Corpus
from twig_assets.folder_audit.images import MAX_SIDE
from twig_assets.folder_audit.work import SIDE, ReferenceRow, Scan, WorkFolder
from twig_assets.similarity import ORIENTATIONS, Policy, audit, ssim_all_pairs
from twig_assets.similarity.corpus.sizes import reduced, squeezed
from twig_assets.similarity.detectors.hog import hog_orientations
from twig_assets.similarity.detectors.pdq import pdq_orientations
from twig_assets.similarity.versions import library_versions

CANDIDATES = 8
"""How many works by each source are compared with an image at its own size."""

SOURCES = ("ssim", "hog", "pdq")
"""By SSIM at SIDE x SIDE pixels, by gradients, and by PDQ hash: each compared with every work."""

SHARD = 32
"""Images that are compared together."""

BLOCK = 512
"""References that a shard is compared with between two savings."""


@dataclass(frozen=True)
class Query:
    """A picture to be audited.

    Attributes:
        name: What it is called in reasons.
        key: What it is remembered by.
        pixels: Gives uint8 (h, w, 3); called only when there is something to compare.
        excluded: Hash of a reference that it is not compared with; None for most.
    """

    name: str
    key: str
    pixels: Callable[[], np.ndarray]
    excluded: str | None = None


class Progress(Protocol):
    """Is called as an audit proceeds."""

    def expect(self, queries: int, pairs: int) -> None:
        """Called first, with the number of queries and of pairs of a query and a work."""

    def compared(self, pairs: int) -> None:
        """Called with the number of further pairs that are done, or were done before."""

    def judged(self) -> None:
        """Called when a query has its verdict."""


Result = dict[str, Any]
"""An AuditResult as JSON: all its fields, with `nearest` the hash of that reference."""


def compare(
    queries: Sequence[Query], corpus: Corpus, policy: Policy, work: WorkFolder, progress: Progress
) -> list[Result]:
    """Audit pictures, doing only what the work folder says is missing.

    Args:
        queries: The pictures.
        corpus: The works, prepared in `work`.
        policy: Thresholds.
        work: The folder that holds what earlier runs did; results are saved there shard by shard.
        progress: Called as the audit proceeds.

    Returns:
        A result for each query, in order.
    """
    progress.expect(len(queries), len(queries) * work.rows())
    return [
        result
        for start in range(0, len(queries), SHARD)
        for result in _Shard(queries[start : start + SHARD], corpus, work).results(policy, progress)
    ]


class _Shard:
    def __init__(self, queries: Sequence[Query], corpus: Corpus, work: WorkFolder) -> None:
        self._queries, self._corpus, self._work = queries, corpus, work
        self._key = sha256_of({"side": SIDE, "candidates": CANDIDATES, "versions": library_versions()})
        self._pixels: dict[str, np.ndarray] = {}

    def results(self, policy: Policy, progress: Progress) -> list[Result]:
        scans = {query.key: self._start(query) for query in self._queries}
        progress.compared(sum(scan.compared for scan in scans.values()))
        for compared in sorted({scan.compared for scan in scans.values()}):
            self._scan([query for query in self._queries if scans[query.key].compared == compared], compared, progress)
        results = []
        for query in self._queries:
            results.append(self._judge(query, policy))
            progress.judged()
        return results

    def _start(self, query: Query) -> Scan:
        """Where to go on; from the beginning if too many of the candidates were withdrawn."""
        scan = self._work.scan(query.key, self._key)
        kept = {
            source: [(row, score) for row, score in best if row in self._corpus.by_row]
            for source, best in scan.candidates.items()
        }
        fewer = min(
            (len(best) for source, best in kept.items() if len(best) < len(scan.candidates[source])), default=CANDIDATES
        )
        return Scan(scan.compared, kept) if fewer > CANDIDATES // 2 else Scan(0, {})

    def _scan(self, queries: list[Query], compared: int, progress: Progress) -> None:
        rows = self._work.rows()
        if compared >= rows:
            return
        pictures = _Described([self._picture(query) for query in queries])
        scans = [self._start(query) for query in queries]
        for start in range(compared, rows, BLOCK):
            stop = min(start + BLOCK, rows)
            scores = pictures.scores(self._work.block(start, stop))
            scans = [
                Scan(stop, {source: self._best(scan, source, scores[source][i], start) for source in SOURCES})
                for i, scan in enumerate(scans)
            ]
            with self._work.transaction():
                for query, scan in zip(queries, scans, strict=True):
                    self._work.put_scan(query.key, self._key, scan)
            progress.compared(len(queries) * (stop - start))

    def _best(self, scan: Scan, source: str, scores: np.ndarray, start: int) -> list[tuple[int, float]]:
        """The rows of the nearest works, the nearest first; of each work its nearest view."""
        views = self._corpus.by_row
        nearest = ((start + int(i), float(scores[i])) for i in np.argsort(-scores, kind="stable"))
        fresh = self._one_view_each(row for row in nearest if row[0] in views)
        # Equal scores in order of hash, so that the order in which references came does not matter.
        ranked = sorted(
            [*scan.candidates.get(source, []), *fresh],
            key=lambda candidate: (-candidate[1], views[candidate[0]].sha256, candidate[0]),
        )
        return self._one_view_each(ranked)

    def _one_view_each(self, ranked: Iterable[tuple[int, float]]) -> list[tuple[int, float]]:
        """Of the first CANDIDATES + 1 works among ranked rows the first view each."""
        works: dict[str, tuple[int, float]] = {}
        for row, score in ranked:
            works.setdefault(self._corpus.by_row[row].sha256, (row, score))
            if len(works) > CANDIDATES:
                break
        return list(works.values())

    def _candidates(self, query: Query) -> list[ReferenceRow]:
        """Views of the works to compare with at the image's own size, in order of key."""
        chosen: dict[str, ReferenceRow] = {}
        for best in self._start(query).candidates.values():
            views = [self._corpus.by_row[row] for row, _ in best]
            others = [view for view in views if view.sha256 != query.excluded]
            chosen |= {view.key: view for view in others[:CANDIDATES]}
        if self._corpus.has_local_features:
            chosen |= {view.key: view for view in self._by_local_features(query) if view.sha256 != query.excluded}
        return [chosen[key] for key in sorted(chosen)]

    def _by_local_features(self, query: Query) -> list[ReferenceRow]:
        # What a feature says depends on all works, so the search is repeated when the corpus changes.
        key = sha256_of({"corpus": self._corpus.version, "scan": self._key})
        known = self._work.result(f"local features of {query.key}", key)
        if known is None:
            views = self._corpus.by_local_features(self._picture(query), CANDIDATES + 1)
            known = {"candidates": [view.key for view in views]}
            with self._work.transaction():
                self._work.put_result(f"local features of {query.key}", key, known)
        return [self._corpus.by_key[key] for key in known["candidates"]]

    def _judge(self, query: Query, policy: Policy) -> Result:
        views = self._candidates(query)
        keys = [view.key for view in views]
        key = sha256_of({"candidates": keys, "policy": policy.sha256, "scan": self._key, "longest": MAX_SIDE})
        known = self._work.result(query.key, key)
        if known is not None:
            return known
        references = [self._corpus.picture(view) for view in views]
        [result] = audit(self._picture(query)[None], references, policy, labels=[query.name])
        body: Result = json.loads(json.dumps(result.as_row()))
        with self._work.transaction():
            self._work.put_result(query.key, key, body)
        return body

    def _picture(self, query: Query) -> np.ndarray:
        if query.key not in self._pixels:
            self._pixels[query.key] = reduced(query.pixels(), MAX_SIDE)
        return self._pixels[query.key]


class _Described:
    """Pictures made ready to be compared with records."""

    def __init__(self, pictures: Sequence[np.ndarray]) -> None:
        self._small = np.stack([squeezed(picture, SIDE) for picture in pictures])
        self._hogs = np.stack([hog_orientations(picture) for picture in pictures]).astype(np.float32)
        self._hashes = np.stack([pdq_orientations(picture) for picture in pictures])

    def scores(self, records: np.ndarray) -> dict[str, np.ndarray]:
        """For each of SOURCES, (pictures, records): the score of the best of eight orientations, high is near."""
        pixels = np.ascontiguousarray(records["pixels"])
        cosines = self._hogs @ records["hog"].astype(np.float32).T
        differing = np.bitwise_count(self._hashes[:, :, None] ^ records["pdq"][None, None]).sum(axis=3, dtype=np.int32)
        return {
            "ssim": ssim_all_pairs(self._small, pixels, orientations=len(ORIENTATIONS)),
            "hog": cosines.max(axis=1),
            "pdq": -differing.min(axis=1),
        }
