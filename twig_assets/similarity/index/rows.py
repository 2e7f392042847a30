"""What an index keeps of the views of works: the text of each, and its descriptions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from twig_assets.similarity.index.local_words import LocalEntries

SIDE = 64
"""Views are squeezed to SIDE x SIDE pixels to be ranked by SSIM."""


class WorkText(NamedTuple):
    """What is said of a view of a work.

    Attributes:
        sha256: Hash of the work's file.
        view: Which view it is, such as `frame 3, on black`; empty for a plain picture.
        path: The work's file.
        title: What it is called.
        rights_holder: Whose it is.
        licence: Under which licence, if any, it may be used.
        notes: What was done to it while decoding.
    """

    sha256: str
    view: str
    path: str
    title: str
    rights_holder: str
    licence: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """One line of JSON."""
        return json.dumps(self, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def of_json(cls, line: bytes) -> "WorkText":
        """The text that a line holds."""
        sha256, view, path, title, rights_holder, licence, notes = json.loads(line)
        return cls(sha256, view, path, title, rights_holder, licence, tuple(notes))


@dataclass(frozen=True, eq=False)
class Rows:
    """Views of works, described.

    Attributes:
        texts: n texts.
        pixels: uint8 (n, SIDE, SIDE, 3); None for works without one, which only benchmarks have.
        pdq: uint8 (n, 32).
        vectors: Name of a descriptor -> float16 (n, length), of unit length or shorter.
        local: Local features, whose rows count from 0.
    """

    texts: Sequence[WorkText]
    pixels: np.ndarray | None
    pdq: np.ndarray
    vectors: dict[str, np.ndarray]
    local: LocalEntries

    def __len__(self) -> int:
        return len(self.texts)
