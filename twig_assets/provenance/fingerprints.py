"""Fingerprints of everything ever released, by which a copy is found that lost its credential and its watermark.

They are kept in an index like that of works (PDQ, gradients, outlines, local features), below the state folder. The
catalog and its store are the truth: what the index lacks is described when it is asked, so it may be deleted.
"""

import fcntl
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import Image, Release
from twig_assets.catalog.store import ArtifactError, ArtifactStore
from twig_assets.settings.home import home
from twig_assets.similarity import Policy, limits, opened_sources
from twig_assets.similarity.corpus.described import by_descriptor
from twig_assets.similarity.detectors.alignment import Alignment
from twig_assets.similarity.detectors.registry import detectors
from twig_assets.similarity.index.candidates import candidates, described_image
from twig_assets.similarity.index.describe import (
    by_cosine,
    check_identities,
    described_view,
    identities,
    rows_of,
    vector_lengths,
)
from twig_assets.similarity.index.manifest import CorpusIndexError, read_manifest
from twig_assets.similarity.index.reader import CorpusIndex
from twig_assets.similarity.index.rows import WorkText
from twig_assets.similarity.index.writer import IndexWriter
from twig_assets.similarity.versions import SCORING

Pixels = Callable[[str], np.ndarray]
"""Gives the picture of a release by its SHA-256: uint8 (h, w, 3)."""

_NETWORKS = {"sscd_network": "none"}
# Descriptions that a network makes would tie the index to what happens to be installed.
_POLICY = Policy(sscd_network="none")
_PROPOSED, _KEPT, _AT_ONCE = 4, 256, 512


def releases_folder() -> Path:
    """Where the index lies: `releases` in the state folder."""
    return home() / "releases"


@dataclass(frozen=True)
class Likeness:
    """A release that a picture is a copy of, as its fingerprints say.

    Attributes:
        sha256: Of the release.
        sentences: What speaks for it, one sentence per detector that takes the picture for a copy.
        strength: The alignment's strength, 0 and more; the higher, the surer.
        alignment: How the release lies on the picture; None where only the whole pictures are alike.
    """

    sha256: str
    sentences: tuple[str, ...]
    strength: float
    alignment: Alignment | None


class ReleaseIndex:
    """The index of releases."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is made until something is added."""
        self.folder = folder
        self._sources = opened_sources(_NETWORKS)
        self._by_name = by_descriptor(self._sources)
        self._described: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._open: CorpusIndex | None = None

    def add_missing(self, session: Session, store: ArtifactStore) -> int:
        """Describe the releases of a catalog that the index lacks; one whose picture is gone is left for later.

        Args:
            session: An open session.
            store: Holds the pictures.

        Returns:
            How many were added.

        Raises:
            CorpusIndexError: If the index cannot be written.
        """
        released = select(Image.sha256).join(Release, Release.image_id == Image.id).distinct()
        return self.add({sha256: store.read_image for sha256 in session.scalars(released)})

    def add(self, pictures: Mapping[str, Pixels]) -> int:
        """Describe those of some releases that the index lacks.

        Args:
            pictures: SHA-256 of a release -> what gives its picture; one that raises ArtifactError is left out.

        Returns:
            How many were added.
        """
        if not set(pictures) - self._known():
            return 0
        with self._locked():
            # Another process may have described them meanwhile.
            missing, added = sorted(set(pictures) - self._known()), 0
            for start in range(0, len(missing), _AT_ONCE):
                added += self._write({sha256: pictures[sha256] for sha256 in missing[start : start + _AT_ONCE]})
        return added

    def like(self, pixels: np.ndarray, picture_of: Pixels) -> list[Likeness]:
        """The releases that a picture is a copy of, the surest first.

        A release is compared closely where its fingerprint is near, and counts from the thresholds of the default
        policy's detectors on.

        Args:
            pixels: uint8 (H, W, 3).
            picture_of: Gives a release's picture; one that raises ArtifactError is passed over.
        """
        index = self._opened()
        if index is None or not len(index):
            return []
        # SSIM would propose the nearest, whatever they are like, since an audit names some work.
        [near] = candidates(index, [described_image(pixels, self._sources)], _PROPOSED, ssim=False)
        rows = [index.text(candidate.row).sha256 for candidate in near]
        image = {name: source.describe_image(pixels) for name, source in self._by_name.items()} if rows else {}
        found = []
        for sha256 in dict.fromkeys(rows):
            try:
                likeness = self._compared(image, sha256, picture_of)
            except ArtifactError:
                continue
            found += [likeness] if likeness else []
        return sorted(found, key=lambda likeness: (-likeness.strength, likeness.sha256))

    def _compared(self, image: Mapping[str, Any], sha256: str, picture_of: Pixels) -> Likeness | None:
        release = self._description(sha256, picture_of)
        used = [detector for detector in detectors() if detector.descriptor in image]
        scores = {d.score: d.compare(image[d.descriptor], release[d.descriptor]) for d in used}
        alignment = image["local features"].alignment(release["local features"])
        scores["aligned_ssim"] = alignment.ssim if alignment else None
        scores["aligned_iw_ssim"] = alignment.iw_ssim if alignment else None
        of_score = {detector.score: detector for detector in used}
        sentences = tuple(
            of_score[limit.score].sentence(scores, limit.value)
            for limit in limits(_POLICY.model_dump())
            if limit.score in of_score and limit.value is not None and limit.reached(scores[limit.score])
        )
        strength = alignment.strength if alignment else 0.0
        return Likeness(sha256, sentences, strength, alignment) if sentences else None

    def _description(self, sha256: str, picture_of: Pixels) -> dict[str, Any]:
        if sha256 not in self._described:
            picture = picture_of(sha256)
            self._described[sha256] = {name: source.describe(picture) for name, source in self._by_name.items()}
            while len(self._described) > _KEPT:
                self._described.popitem(last=False)
        self._described.move_to_end(sha256)
        return self._described[sha256]

    def _write(self, pictures: Mapping[str, Pixels]) -> int:
        vectors = by_cosine(self._sources)
        views = []
        for sha256, picture_of in pictures.items():
            try:
                views.append(described_view(WorkText(sha256, "", "", "", "", ""), picture_of(sha256), vectors))
            except ArtifactError:
                continue
        if views:
            new = None if self._usable() else (self._lengths, identities(self._sources))
            if new:
                shutil.rmtree(self.folder / "index", ignore_errors=True)
            with IndexWriter(self.folder / "index", SCORING, *(new or ())) as writer:
                writer.add(rows_of(views))
                writer.merge()
            self._open = None
        return len(views)

    def _known(self) -> set[str]:
        index = self._opened()
        return set(index.sha256s) if index else set()

    def _opened(self) -> CorpusIndex | None:
        """The index as it is on disk now; None where there is none that this version can use."""
        if not self._usable():
            return None
        if self._open is None or self._open.manifest != read_manifest(self.folder / "index", SCORING):
            self._open = CorpusIndex(self.folder / "index")
        return self._open

    def _usable(self) -> bool:
        """Whether there is an index whose descriptions are made as this version makes them."""
        try:
            manifest = read_manifest(self.folder / "index", SCORING)
            check_identities(self.folder, manifest, self._sources)
        except CorpusIndexError:
            return False
        return manifest.vectors == self._lengths

    @cached_property
    def _lengths(self) -> dict[str, int]:
        return vector_lengths(self._sources)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time; the others wait."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("w")
        except OSError as error:
            raise CorpusIndexError(f"{self.folder}: cannot be written ({error.strerror})") from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
