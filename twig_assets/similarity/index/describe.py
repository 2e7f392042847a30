"""Describing the views of a work as an index keeps them."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from twig_assets.similarity.corpus.decode import DecodeError, decode_views, read_file, suffix_note
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


class DescribedView(NamedTuple):
    """A view of a work, described.

    Attributes:
        text: What is said of it.
        pixels: uint8 (SIDE, SIDE, 3).
        pdq: uint8 (32,).
        vectors: Name of a descriptor -> float16 (length,).
        local: Its local features.
    """

    text: WorkText
    pixels: np.ndarray
    pdq: np.ndarray
    vectors: dict[str, np.ndarray]
    local: Features


class DescribedWork(NamedTuple):
    """A work's file, described.

    Attributes:
        views: Its views; empty if the file cannot be read or shows one colour only.
        unread: The file or the frames that could not be described.
    """

    views: list[DescribedView]
    unread: list[UnreadWork]


def described_file(file: CorpusFile, sources: Sequence[Source]) -> DescribedWork:
    """Read a work's file and describe every view of it."""
    try:
        content = read_file(file.path)
        decoded = decode_views(content, lambda pixels: reduced(pixels, WORK_SIDE))
        if decoded.blank:
            raise DecodeError("unsupported", BLANK)
    except DecodeError as error:
        return DescribedWork([], [UnreadWork(path=shown(file.path), reason=str(error))])
    sha256 = hashlib.sha256(content).hexdigest()
    notes = suffix_note(file.path.suffix, decoded.format) + decoded.notes
    details = str(file.path), file.title, file.rights_holder, file.licence, notes
    vectors = by_cosine(sources)
    views = [described_view(WorkText(sha256, view.label, *details), view.pixels, vectors) for view in decoded.views]
    missing = dict.fromkeys(map(not_wholly, decoded.missing))
    return DescribedWork(views, [UnreadWork(path=shown(file.path), reason=why, sha256=sha256) for why in missing])


def described_view(text: WorkText, pixels: np.ndarray, sources: Mapping[str, Source]) -> DescribedView:
    """Describe a picture, uint8 (h, w, 3), also by these sources; see `by_cosine`."""
    vectors = {name: np.asarray(source.describe(pixels), np.float16) for name, source in sources.items()}
    return DescribedView(text, squeezed(pixels, SIDE), pdq(pixels), vectors, local_features(pixels))


def rows_of(views: Sequence[DescribedView]) -> Rows:
    """Views, one at least, as an index keeps them."""
    vectors = {name: np.stack([view.vectors[name] for view in views]) for name in views[0].vectors}
    pixels, hashes = np.stack([view.pixels for view in views]), np.stack([view.pdq for view in views])
    return Rows([view.text for view in views], pixels, hashes, vectors, entries_of([view.local for view in views]))
