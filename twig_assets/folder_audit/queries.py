"""What is audited, by where its pixels come from, so that a worker in another process can get them."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from twig_assets.folder_audit.corpus import Corpus
from twig_assets.folder_audit.images import MAX_SIDE
from twig_assets.folder_audit.work import WorkError
from twig_assets.similarity.corpus.decode import DecodeError, decode_views, read_file
from twig_assets.similarity.corpus.sizes import reduced
from twig_assets.similarity.detectors.copies import transformed


class Picture(Protocol):
    """A picture that can be got again, in whatever process."""

    def pixels(self, corpus: Corpus) -> np.ndarray:
        """The picture: uint8 (h, w, 3), at most MAX_SIDE on either side.

        Raises:
            WorkError: If a file is not what it was when the run began.
        """


@dataclass(frozen=True)
class Query:
    """A picture to be audited.

    Attributes:
        name: What it is called in reasons.
        key: What it is remembered by.
        picture: Gives its pixels; asked only when there is something to compare.
        excluded: Hash of a reference that it is not compared with; None for most.
    """

    name: str
    key: str
    picture: Picture
    excluded: str | None = None


@dataclass(frozen=True)
class ViewOfFile:
    """A view of an image's file.

    Attributes:
        path: The file.
        name: What it is called.
        sha256: Hash of its content.
        label: Which view.
    """

    path: Path
    name: str
    sha256: str
    label: str

    def pixels(self, corpus: Corpus) -> np.ndarray:
        """See `Picture`."""
        return _views(self.path, self.name, self.sha256)[self.label]


@dataclass(frozen=True)
class WorkItself:
    """A work of the corpus, by its first view.

    Attributes:
        sha256: The work.
    """

    sha256: str

    def pixels(self, corpus: Corpus) -> np.ndarray:
        """See `Picture`."""
        return reduced(corpus.picture(corpus.works[self.sha256].views[0]).pixels, MAX_SIDE)


@dataclass(frozen=True)
class CopyOfWork:
    """A copy of a work, made to see whether it is found.

    Attributes:
        sha256: The work.
        transform: One of TRANSFORMS.
    """

    sha256: str
    transform: str

    def pixels(self, corpus: Corpus) -> np.ndarray:
        """See `Picture`."""
        seed = int.from_bytes(hashlib.sha256(f"{self.transform}:{self.sha256}".encode()).digest()[:8], "big")
        picture = WorkItself(self.sha256).pixels(corpus)
        side = 2 * max(picture.shape[:2])
        rng = np.random.default_rng(seed)
        # Coarse blots, so that what a work is pasted onto is no work of the corpus itself.
        ground = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(side // 8 + 1, 0).repeat(side // 8 + 1, 1)
        return reduced(transformed(picture, self.transform, rng, ground), MAX_SIDE)


# Of the views of a file one is asked for after another.
@lru_cache(maxsize=1)
def _views(path: Path, name: str, sha256: str) -> dict[str, np.ndarray]:
    """Label of each view of a file -> its pixels, at most MAX_SIDE on either side."""
    try:
        content = read_file(path)
    except DecodeError as error:
        raise WorkError(f"{name}: {error}, and run the same command again") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise WorkError(f"{name}: has changed since the run began; run the same command again")
    decoded = decode_views(content, lambda pixels: reduced(pixels, MAX_SIDE))
    return {view.label: view.pixels for view in decoded.views}
