"""What a worker does for an audit: it compares images with a corpus, and writes nothing."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from twig_assets.catalog.hashing import sha256_of
from twig_assets.engines.memory import keep_freed_memory
from twig_assets.folder_audit.corpus import Corpus
from twig_assets.folder_audit.descriptions import KeptDescriptions
from twig_assets.folder_audit.images import MAX_SIDE
from twig_assets.folder_audit.queries import Query, WorkItself
from twig_assets.folder_audit.work import SIDE, ReferenceRow, Scan, WorkReader
from twig_assets.similarity import ORIENTATIONS, Policy, opened_sources, ssim_all_pairs
from twig_assets.similarity.audit import compare_closely
from twig_assets.similarity.corpus.described import ChosenWorks, Described
from twig_assets.similarity.corpus.sizes import squeezed
from twig_assets.similarity.detectors.alignment_strength import AlignmentStrength
from twig_assets.similarity.detectors.hog import Hog
from twig_assets.similarity.detectors.image_features import ImageFeatures
from twig_assets.similarity.detectors.local_features import Features
from twig_assets.similarity.detectors.pdq import Pdq
from twig_assets.similarity.structural.resized import ResizedWorks, turned_back
from twig_assets.similarity.verdicts.judging import compared_by, gated
from twig_assets.similarity.versions import library_versions

if TYPE_CHECKING:
    from twig_assets.similarity.index.local_words import LocalEntries

CANDIDATES = 8
"""How many works by each source are compared with an image at its own size."""

SOURCES = ("ssim", "hog", "pdq")
"""By SSIM at SIDE x SIDE pixels, by gradients, and by PDQ hash: each compared with every work."""

NEAR = {"hog": 0.45, "pdq": -64.0}
"""Cosine, and bits that differ, from which on a source proposes more works than the nearest. What is less alike reaches
no threshold, and is no copy that its local features do not show as well; a policy that is stricter counts instead."""

LEAST_VOTES = 0.5
"""Votes by local features that propose a work: in a corpus this small, few works have as many by chance."""

SPAN = 1 << 16
"""References that images are compared with before the result is saved."""

_BLOCK = 512
_LOCAL = AlignmentStrength.descriptor


class Settings(NamedTuple):
    """What a worker opens; see `Context`.

    Attributes:
        folder: The work folder.
        corpus: The works.
        policy: Says which detectors there are, and which images can be judged.
    """

    folder: Path
    corpus: Corpus
    policy: Policy

    @property
    def scan_key(self) -> str:
        """Changes with whatever decides which works are candidates, but for the works themselves."""
        return sha256_of({"side": SIDE, "candidates": CANDIDATES, "versions": library_versions()})

    @property
    def local_key(self) -> str:
        """The same for candidates by local features: what a feature says depends on all works."""
        return sha256_of({"corpus": self.corpus.version, "scan": self.scan_key})

    def close_key(self, views: Sequence[ReferenceRow]) -> str:
        """Changes with whatever decides what a comparison with these views gives."""
        keys, by = [view.key for view in views], compared_by(self.policy)
        return sha256_of({"candidates": keys, "by": by, "scan": self.scan_key, "longest": MAX_SIDE})


@dataclass(frozen=True)
class Found:
    """What is known of a query; also what a worker begins with, and what it gives back.

    Attributes:
        scan: How far it was compared with the squeezed corpus, and the candidates so far.
        local: Keys of the views that share most local features with it, or of all that an index proposes; None if that
            is not known.
        close_key: What the comparison was made of, see `Settings.close_key`; None if there is none.
        close: The comparison with all candidates at its own size, as JSON: its size and contrast, and `comparison`,
            which is None if the image cannot be judged. None for what is known already.
    """

    scan: Scan
    local: tuple[str, ...] | None = None
    close_key: str | None = None
    close: str | None = None


def candidates(query: Query, found: Found, corpus: Corpus, policy: Policy) -> list[ReferenceRow]:
    """Views of the works to compare a query with at its own size, in order of key.

    By each source the nearest work, and further ones that are near enough; by SSIM all, since the nearest are named.
    """
    chosen: dict[str, ReferenceRow] = {}
    for source, best in found.scan.candidates.items():
        views = [(corpus.by_row[row], score) for row, score in best]
        others = [(view, score) for view, score in views if view.sha256 != query.excluded][:CANDIDATES]
        least = _near(source, policy)
        chosen |= {view.key: view for i, (view, score) in enumerate(others) if i == 0 or score >= least}
    by_local_features = [corpus.by_key[key] for key in found.local or ()]
    chosen |= {view.key: view for view in by_local_features if view.sha256 != query.excluded}
    return [chosen[key] for key in sorted(chosen)]


def _near(source: str, policy: Policy) -> float:
    """From which score on a source proposes more than the nearest work."""
    fields = policy.model_dump()
    thresholds = {"hog": fields[Hog.field.name], "pdq": fields[Pdq.field.name]}
    if source not in NEAR:
        return -np.inf
    threshold = thresholds[source]
    if threshold is None:
        return NEAR[source]
    return min(NEAR[source], -threshold if source == "pdq" else threshold)


def compared(worker: "Comparer", queries: Sequence[tuple[Query, Found]]) -> list[Found]:
    """Do what is missing of each query: SPAN further works, or all that is left and the candidates."""
    pictures = [query.picture.pixels(worker.settings.corpus) for query, _ in queries]
    described = [worker.described(query, picture) for (query, _), picture in zip(queries, pictures, strict=True)]
    found = [known for _, known in queries]
    for start in sorted({known.scan.compared for known in found}):
        which = [i for i, known in enumerate(found) if known.scan.compared == start]
        scans = worker.scanned([pictures[i] for i in which], [described[i] for i in which], [found[i] for i in which])
        for i, scan in zip(which, scans, strict=True):
            found[i] = Found(scan, found[i].local, found[i].close_key)
    return [
        worker.finished(query, known, picture, of_picture)
        for (query, _), known, picture, of_picture in zip(queries, found, pictures, described, strict=True)
    ]


class Comparer:
    """Holds what comparing takes: records and descriptions of works, detectors, and works at the sizes of images."""

    def __init__(self, settings: Settings) -> None:
        """Open the work folder for reading, and the detectors that the policy names."""
        keep_freed_memory()
        self.settings = settings
        self._reader = WorkReader(settings.folder)
        self._descriptions = KeptDescriptions(self._reader, opened_sources(settings.policy.model_dump()))
        self._resized = ResizedWorks()

    def described(self, query: Query, picture: np.ndarray) -> Described:
        """All descriptions of an image; those that the search needs are among them.

        The local features of a work that is compared with the others are known.
        """
        described = {
            name: source.describe_image(picture)
            for name, source in self._descriptions.sources.items()
            if name != _LOCAL
        }
        known = self._own_features(query, picture) if self.settings.corpus.has_local_features else None
        return {**described, _LOCAL: ImageFeatures(picture, known)}

    def _own_features(self, query: Query, picture: np.ndarray) -> Features | None:
        corpus = self.settings.corpus
        if not isinstance(query.picture, WorkItself):
            return None
        view = corpus.works[query.picture.sha256].views[0]
        return self._features(view) if picture is corpus.picture(view).pixels else None

    def scanned(self, pictures: Sequence[np.ndarray], described: Sequence[Described], found: list[Found]) -> list[Scan]:
        """Compare pictures that are equally far with SPAN further records."""
        scans, rows = [known.scan for known in found], self._reader.rows()
        first = scans[0].compared
        if first >= rows:
            return scans
        squeezed_pictures = _Squeezed(pictures, described)
        last = min(rows, first + SPAN)
        for start in range(first, last, _BLOCK):
            stop = min(start + _BLOCK, last)
            scores = squeezed_pictures.scores(self._reader.block(start, stop))
            scans = [
                Scan(stop, {source: self._best(scan, source, scores[source][i], start) for source in SOURCES})
                for i, scan in enumerate(scans)
            ]
        return scans

    def finished(self, query: Query, found: Found, picture: np.ndarray, described: Described) -> Found:
        """Look for local features and compare closely, if the scan is through."""
        settings, corpus = self.settings, self.settings.corpus
        if found.scan.compared < self._reader.rows():
            return found
        local = found.local
        if local is None and corpus.has_local_features:
            searched = corpus.searched(picture, described)
            local = tuple(view.key for view in (self._by_local_features(described) if searched is None else searched))
        found = Found(found.scan, local, found.close_key)
        views = candidates(query, found, corpus, settings.policy)
        close_key = settings.close_key(views)
        if close_key == found.close_key:
            return found
        height, width = picture.shape[:2]
        body: dict[str, Any] = {"size": (height, width), "contrast": float(picture.std()), "comparison": None}
        if gated((height, width), body["contrast"], settings.policy) is None and views:
            references = [corpus.picture(view) for view in views]
            pixels = [reference.pixels for reference in references]
            chosen = ChosenWorks([view.key for view in views], pixels, self._descriptions, self._resized)
            body["comparison"] = compare_closely(picture, references, chosen, described).as_row()
        return Found(found.scan, local, close_key, json.dumps(body))

    def _by_local_features(self, described: Described) -> list[ReferenceRow]:
        # Compiled code, which a run that compares nothing does not need.
        from twig_assets.similarity.index.local_search import local_votes

        views, entries = self._local
        votes = local_votes([entries], [len(views)], list(described[_LOCAL].variants.values()), LEAST_VOTES)
        works: dict[str, ReferenceRow] = {}
        for view in (views[row] for row in votes["row"]):
            works.setdefault(view.sha256, view)
            if len(works) > CANDIDATES:
                break
        return list(works.values())

    @cached_property
    def _local(self) -> "tuple[list[ReferenceRow], LocalEntries]":
        from twig_assets.similarity.index.local_words import entries_of

        corpus = self.settings.corpus
        views = [view for work in corpus.works.values() for view in corpus.drawings(work, self._reader)]
        return views, entries_of([self._features(view) for view in views])

    def _features(self, view: ReferenceRow) -> Features:
        features: Features = self._descriptions.of_view(
            _LOCAL, view.key, lambda: self.settings.corpus.picture(view).pixels
        )
        return features

    def _best(self, scan: Scan, source: str, scores: np.ndarray, start: int) -> list[tuple[int, float]]:
        """The rows of the nearest works, the nearest first; of each work its nearest view."""
        views = self.settings.corpus.by_row
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
            works.setdefault(self.settings.corpus.by_row[row].sha256, (row, score))
            if len(works) > CANDIDATES:
                break
        return list(works.values())


class _Squeezed:
    """Pictures made ready to be compared with records, in eight orientations each."""

    def __init__(self, pictures: Sequence[np.ndarray], described: Sequence[Described]) -> None:
        # Turning an image back is cheaper than turning every work, and gives the same scores.
        turns = range(len(ORIENTATIONS))
        self._small = np.stack([turned for p in pictures for turned in turned_back(squeezed(p, SIDE), turns)])
        self._hogs = np.stack([of_picture[Hog.descriptor] for of_picture in described]).astype(np.float32)
        self._hashes = np.stack([of_picture[Pdq.descriptor] for of_picture in described])

    def scores(self, records: np.ndarray) -> dict[str, np.ndarray]:
        """For each of SOURCES, (pictures, records): the score of the best of eight orientations, high is near."""
        pixels = np.ascontiguousarray(records["pixels"])
        cosines = self._hogs @ records["hog"].astype(np.float32).T
        differing = np.bitwise_count(self._hashes[:, :, None] ^ records["pdq"][None, None]).sum(axis=3, dtype=np.int32)
        return {
            "ssim": ssim_all_pairs(self._small, pixels).reshape(-1, len(ORIENTATIONS), len(records)).max(axis=1),
            "hog": cosines.max(axis=1),
            "pdq": -differing.min(axis=1),
        }
