"""An index of works as the corpus of a folder audit: candidates are looked for there, and no work is read before."""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from twig_assets.folder_audit.corpus import Corpus, NotCompared, Work
from twig_assets.folder_audit.work import ReferenceRow, WorkError
from twig_assets.similarity import Policy, opened_sources
from twig_assets.similarity.corpus.described import Described
from twig_assets.similarity.corpus.files import shown
from twig_assets.similarity.corpus.references import CorpusFile, EmptyCorpusError
from twig_assets.similarity.index.candidates import candidates, image_of, near_under
from twig_assets.similarity.index.describe import check_identities
from twig_assets.similarity.index.manifest import MANIFEST
from twig_assets.similarity.index.reader import CorpusIndex

_KEPT = 4096

Value = TypeVar("Value")


def is_index(folder: Path) -> bool:
    """Whether a folder is an index and no folder of works, which may have a manifest of its own."""
    try:
        said = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and {"format", "scoring", "segments"} <= said.keys()


class IndexedCorpus(Corpus):
    """The works of an index; what is said of them is read when it is asked for.

    Attributes:
        index: The index.
    """

    def __init__(self, index: CorpusIndex, policy: Policy) -> None:
        """Hold an index that has works.

        Args:
            index: The index.
            policy: Says by which detectors images will be described, and from where on a work is near.

        Raises:
            EmptyCorpusError: If it has none.
            CorpusIndexError: If one of its descriptions was made by another network than the detectors'.
        """
        check_identities(index.folder, index.manifest, opened_sources(policy.model_dump()))
        if not index.sha256s:
            raise EmptyCorpusError(f"{index.folder}: the index has no works; add some with twig index add")
        self.index, self._near = index, near_under(policy.model_dump())
        self.version = index.version
        self.not_compared = [
            NotCompared(work.path, work.reason) for work in index.manifest.unread if work.sha256 is None
        ]
        self._fill()

    def __getstate__(self) -> dict[str, Any]:
        sequence = self.index.manifest.sequence
        return {"folder": self.index.folder, "sequence": sequence, "version": self.version, "near": self._near}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.index = CorpusIndex(state["folder"])
        if self.index.manifest.sequence != state["sequence"]:
            raise WorkError(f"{state['folder']}: has changed since the run began; run the same command again")
        self.version, self.not_compared, self._near = state["version"], [], state["near"]
        self._fill()

    def _fill(self) -> None:
        self._looked_at = _Kept(self._work, lambda: self.index.sha256s)
        self.works = self._looked_at
        self._kept = OrderedDict()

    @cached_property
    def by_row(self) -> dict[int, ReferenceRow]:
        """Nothing: no view is in the work folder."""
        return {}

    @cached_property
    def by_key(self) -> Mapping[str, ReferenceRow]:
        """Key of a view -> the view."""
        return _Kept(self._view, lambda: [])

    @property
    def unread(self) -> list[NotCompared]:
        """See `Corpus`; as the index knows it."""
        return [NotCompared(work.path, work.reason) for work in self.index.manifest.unread]

    @property
    def noted(self) -> list[Work]:
        """See `Corpus`; of the works that were looked at."""
        return [work for work in self._looked_at.known() if work.notes]

    def searched(self, picture: np.ndarray, described: Described) -> list[ReferenceRow]:
        """The views worth a closer look for an image, see `candidates`."""
        image = image_of(picture, described, self.index.manifest.vectors)
        [found] = candidates(self.index, [image], near=self._near)
        return [self._row(candidate.row) for candidate in found]

    def _read(self, view: ReferenceRow) -> np.ndarray:
        return self.index.picture(view.row).pixels

    def _view(self, key: str) -> ReferenceRow:
        # See `view_key`.
        sha256, _, label = key.partition(" ")
        [view] = [view for view in self.works[sha256].views if view.label == label]
        return view

    def _work(self, sha256: str) -> Work:
        rows = self.index.rows_of(sha256)
        text = self.index.text(rows[0])
        path = Path(text.path)
        file = CorpusFile(path, text.title, text.rights_holder, text.licence)
        return Work(file, shown(path), tuple(self._row(row) for row in rows))

    def _row(self, row: int) -> ReferenceRow:
        text = self.index.text(row)
        return ReferenceRow(row, text.sha256, text.view, 0, 0, text.notes, ())


class _Kept(dict[str, Value]):
    """What is found for a key when it is asked for, and kept for the last ones."""

    def __init__(self, find: Callable[[str], Value], keys: Callable[[], list[str]]) -> None:
        super().__init__()
        self._find, self._keys = find, keys

    def __missing__(self, key: str) -> Value:
        if super().__len__() >= _KEPT:
            del self[next(super().__iter__())]
        self[key] = value = self._find(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys())

    def __len__(self) -> int:
        return len(self._keys())

    def known(self) -> list[Value]:
        """What was asked for."""
        return list(super().values())
