"""Descriptions of works, made once: kept in the work folder, and in memory while there is room."""

import io
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from twig_assets.catalog.hashing import sha256_of
from twig_assets.engines import Context, Copy, Engine, Shard
from twig_assets.folder_audit.corpus import Corpus
from twig_assets.folder_audit.work import ReferenceRow, WorkFolder, WorkReader
from twig_assets.similarity import Policy, opened_sources
from twig_assets.similarity.corpus.described import by_descriptor
from twig_assets.similarity.detectors.detector import Source
from twig_assets.similarity.versions import library_versions

ROOM = 256 << 20
"""Bytes of descriptions that a worker keeps in memory."""

_SHARD = 16


class KeptDescriptions:
    """See `Descriptions`; what the work folder does not have is made when it is asked for."""

    def __init__(self, reader: WorkReader, sources: Sequence[Source]) -> None:
        """Describe nothing yet.

        Args:
            reader: The work folder.
            sources: What describes.
        """
        self.sources: Mapping[str, Source] = by_descriptor(sources)
        self._reader = reader
        self._kept: OrderedDict[tuple[str, str], tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    def of_view(self, name: str, key: str, picture: Callable[[], np.ndarray]) -> Any:
        """See `Descriptions`."""
        if (name, key) in self._kept:
            self._kept.move_to_end((name, key))
            return self._kept[name, key][0]
        source = self.sources[name]
        identity = identity_of(source)
        packed = None if identity is None else self._reader.description(key, name, identity)
        description = source.describe(picture()) if packed is None else source.from_arrays(_unpacked(packed))
        self._keep((name, key), description, sum(array.nbytes for array in source.arrays(description).values()))
        return description

    def _keep(self, key: tuple[str, str], description: Any, size: int) -> None:
        self._kept[key] = description, size
        self._bytes += size
        while self._bytes > ROOM and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1][1]


class _Settings(NamedTuple):
    corpus: Corpus
    policy: Policy


class _Described(NamedTuple):
    """The packed description of a view by a source."""

    key: str
    name: str
    identity: str
    packed: bytes


def describe_works(
    corpus: Corpus,
    policy: Policy,
    work: WorkFolder,
    engine: Engine,
    progress: Callable[[int, int], None],
    copies: tuple[Copy, ...] = (),
) -> None:
    """Describe the works that nothing has described yet, by every source that a policy names, and keep that.

    A large corpus is not described beforehand (local features take some 0.2 MB a view): of it, those works are that
    images come near.

    Args:
        corpus: The works.
        policy: Says which detectors there are.
        work: Where descriptions are kept.
        engine: What computes.
        progress: Called with the number of views described and of all that have to be.
        copies: What workers copy to their machine before.
    """
    if not corpus.has_local_features:
        return
    named = by_descriptor(opened_sources(policy.model_dump())).items()
    identities = {name: identity for name, source in named if (identity := identity_of(source)) is not None}
    known = work.described()
    missing = [
        view
        for view in corpus.by_row.values()
        if any((view.key, name, identity) not in known for name, identity in identities.items())
    ]
    shards = [
        Shard(f"works {start + 1} to {start + _SHARD}", missing[start : start + _SHARD])
        for start in range(0, len(missing), _SHARD)
    ]
    context = Context(_opened, _Settings(corpus, policy), copies)
    for count, described in enumerate(engine.map(_described, shards, context), 1):
        with work.transaction():
            for entry in described:
                work.put_description(*entry)
        progress(min(count * _SHARD, len(missing)), len(missing))


def identity_of(source: Source) -> str | None:
    """What descriptions by a source depend on; None if they cannot be kept."""
    if source.identity is None:
        return None
    return sha256_of({"source": source.identity, "versions": library_versions()})


def _unpacked(packed: bytes) -> dict[str, np.ndarray]:
    """The arrays that a description was taken apart into."""
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        return {name.removeprefix("_"): arrays[name] for name in arrays.files}


def _packed(arrays: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **{f"_{name}": array for name, array in arrays.items()})
    return file.getvalue()


def _opened(settings: _Settings) -> tuple[Corpus, dict[str, Source]]:
    return settings.corpus, by_descriptor(opened_sources(settings.policy.model_dump()))


def _described(opened: tuple[Corpus, dict[str, Source]], views: Sequence[ReferenceRow]) -> list[_Described]:
    corpus, sources = opened
    entries = []
    for view in views:
        pixels = corpus.picture(view).pixels
        for name, source in sources.items():
            if (identity := identity_of(source)) is not None:
                packed = _packed(source.arrays(source.describe(pixels)))
                entries.append(_Described(view.key, name, identity, packed))
    return entries
