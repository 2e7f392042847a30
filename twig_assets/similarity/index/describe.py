"""Describing the views of a work as an index keeps them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from twig_assets.similarity.corpus.decode import DecodeError, decode_views, suffix_note
from twig_assets.similarity.corpus.files import shown
from twig_assets.similarity.corpus.references import BLANK, CorpusFile, not_wholly
from twig_assets.similarity.corpus.sizes import WORK_SIDE, reduced, squeezed
from twig_assets.similarity.detectors.detector import Source
from twig_assets.similarity.detectors.local_features import Features, local_features
from twig_assets.similarity.detectors.pdq import pdq
from twig_assets.similarity.index.local_words import entries_of
from twig_assets.similarity.index.manifest import CorpusIndexError, Manifest, UnreadWork
from twig_assets.similarity.index.rows import SIDE, Rows, WorkText


def by_cosine(sources: Sequence[Source]) -> dict[str, Source]:
    """Of opened detectors those that describe by a vector which may be kept, by the name of the description."""
    return {
        source.descriptor: source for source in sources if source.search == "cosine" and source.identity is not None
    }


def vector_lengths(sources: Sequence[Source]) -> dict[str, int]:
    """How many numbers the vectors of each description have, as an index has to know."""
    blank = np.zeros((SIDE, SIDE, 3), np.uint8)
    return {name: int(np.asarray(source.describe(blank)).size) for name, source in by_cosine(sources).items()}


def identities(sources: Sequence[Source]) -> dict[str, str]:
    """What makes each description, as an index has to know."""
    return {name: str(source.identity) for name, source in by_cosine(sources).items()}


def check_identities(folder: Path, manifest: Manifest, sources: Sequence[Source]) -> None:
    """Refuse descriptions of an index and of images that cannot be compared.

    Raises:
        CorpusIndexError: If a descriptor of the same name is made by something else.
    """
    for name, identity in identities(sources).items():
        if manifest.identities.get(name, identity) != identity:
            hint = "give the policy it was built with, or build it again"
            raise CorpusIndexError(f"{folder}: describes works by another {name} than the policy; {hint}")


class Describer:
    """Collects descriptions of works until they are put into an index.

    Attributes:
        texts: Those of the views so far.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = by_cosine(sources)
        self.texts: list[WorkText] = []
        self._pixels: list[np.ndarray] = []
        self._pdq: list[np.ndarray] = []
        self._vectors: dict[str, list[np.ndarray]] = {name: [] for name in self._sources}
        self._local: list[Features] = []

    def __len__(self) -> int:
        return len(self.texts)

    def add_file(self, file: CorpusFile, content: bytes, sha256: str) -> list[UnreadWork]:
        """Describe every view of a work.

        Args:
            file: The work's file.
            content: Its bytes.
            sha256: Their hash.

        Returns:
            Frames that could not be described.

        Raises:
            DecodeError: If the file cannot be read or shows one colour only; then nothing of it is kept.
        """
        decoded = decode_views(content, lambda pixels: reduced(pixels, WORK_SIDE))
        if decoded.blank:
            raise DecodeError("unsupported", BLANK)
        notes = suffix_note(file.path.suffix, decoded.format) + decoded.notes
        details = str(file.path), file.title, file.rights_holder, file.licence, notes
        for view in decoded.views:
            self.add_view(WorkText(sha256, view.label, *details), view.pixels)
        missing = dict.fromkeys(map(not_wholly, decoded.missing))
        return [UnreadWork(path=shown(file.path), reason=reason, sha256=sha256) for reason in missing]

    def add_view(self, text: WorkText, pixels: np.ndarray) -> None:
        """Describe a picture, uint8 (h, w, 3)."""
        self.texts.append(text)
        self._pixels.append(squeezed(pixels, SIDE))
        self._pdq.append(pdq(pixels))
        for name, source in self._sources.items():
            self._vectors[name].append(np.asarray(source.describe(pixels), np.float16))
        self._local.append(local_features(pixels))

    def rows(self) -> Rows:
        """All of them, one at least."""
        vectors = {name: np.stack(of_name) for name, of_name in self._vectors.items()}
        return Rows(self.texts, np.stack(self._pixels), np.stack(self._pdq), vectors, entries_of(self._local))
