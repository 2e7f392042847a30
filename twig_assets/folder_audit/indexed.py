"""An index of works as the corpus of a folder audit: candidates are looked for there, and no work is read before."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from twig_assets.folder_audit.corpus import Corpus, NotCompared, Work
from twig_assets.folder_audit.work import ReferenceRow, WorkError
from twig_assets.similarity.corpus.described import Described
from twig_assets.similarity.corpus.files import shown
from twig_assets.similarity.corpus.references import CorpusFile, EmptyCorpusError
from twig_assets.similarity.corpus.sizes import squeezed
from twig_assets.similarity.detectors.alignment_strength import AlignmentStrength
from twig_assets.similarity.detectors.detector import Source
from twig_assets.similarity.detectors.pdq import Pdq
from twig_assets.similarity.index.candidates import DescribedImage, candidates
from twig_assets.similarity.index.describe import check_identities
from twig_assets.similarity.index.manifest import MANIFEST
from twig_assets.similarity.index.reader import CorpusIndex
from twig_assets.similarity.index.rows import SIDE

_KEPT = 4096

Value = TypeVar("Value")


def is_index(folder: Path) -> bool:
    """Whether a folder is an index and no folder of works."""
    return (folder / MANIFEST).is_file() and (folder / "lock").is_file()


class IndexedCorpus(Corpus):
    """The works of an index; what is said of them is read when it is asked for.

    Attributes:
        index: The index.
    """

    def __init__(self, index: CorpusIndex, sources: Sequence[Source]) -> None:
        """Hold an index that has works.

        Args:
            index: The index.
            sources: The opened detectors that images will be described by.

        Raises:
            EmptyCorpusError: If it has none.
            CorpusIndexError: If one of its descriptions was made by another network than the detectors'.
        """
        check_identities(index.folder, index.manifest, sources)
        if not index.sha256s:
            raise EmptyCorpusError(f"{index.folder}: the index has no works; add some with twig index add")
        self.index = index
        self.version = index.version
        self.not_compared = [
            NotCompared(work.path, work.reason) for work in index.manifest.unread if work.sha256 is None
        ]
        self._fill()

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.index.folder, "sequence": self.index.manifest.sequence, "version": self.version}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.index = CorpusIndex(state["folder"])
        if self.index.manifest.sequence != state["sequence"]:
            raise WorkError(f"{state['folder']}: has changed since the run began; run the same command again")
        self.version, self.not_compared = state["version"], []
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
        vectors = {
            name: np.atleast_2d(np.asarray(described[name], np.float32))
            for name in self.index.manifest.vectors
            if name in described
        }
        variants = list(described[AlignmentStrength.descriptor].variants.values())
        image = DescribedImage(squeezed(picture, SIDE), described[Pdq.descriptor], vectors, variants)
        [found] = candidates(self.index, [image])
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
