"""Scoring images against a large corpus by its index: only what an image comes near is read; see `scoring`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.scoring import (
    Picture,
    Read,
    Scoring,
    completed,
    grounds,
    lacking_works,
    light,
    read_picture,
)
from twig_assets.similarity import (
    AuditResult,
    PlantedRecall,
    Policy,
    ReferenceImage,
    audit,
)
from twig_assets.similarity.allowed import Allowed
from twig_assets.similarity.corpus.files import shown
from twig_assets.similarity.index.allowed import audit_rest
from twig_assets.similarity.index.audited import IndexedWorks, audit_indexed
from twig_assets.similarity.index.planted import planted_in_index
from twig_assets.similarity.index.reader import CorpusIndex

MOST_LACKING = 64
"""Of more works that an earlier audit lacks, the whole index is searched: it takes no longer."""


@dataclass(frozen=True)
class IndexedSettings:
    """What a worker opens.

    Attributes:
        index: The index.
        works: The folder of works.
        version: The corpus version in force.
        left_out: Names of the files there that nothing is compared with.
        policy: The policy in force.
        artifacts: Folder or fsspec URL of the store that holds images and masks.
        elements: Id of each allowed element -> what it is.
    """

    index: Path
    works: Path
    version: str
    left_out: tuple[str, ...]
    policy: Policy
    artifacts: str
    elements: Mapping[int, Allowed] = field(default_factory=dict)


class IndexedScoring(Scoring):
    """The index, and what was read of the works that were looked at last."""

    def __init__(self, settings: IndexedSettings) -> None:
        """Open the index.

        Raises:
            NotMaterializedError: If its works are others than those of the corpus in force.
            CorpusIndexError: If it cannot be used.
        """
        self._store = ArtifactStore(settings.artifacts)
        self.elements = dict(settings.elements)
        index = CorpusIndex(settings.index)
        prefix = f"{shown(settings.works)}/"
        left_out = {work.path.removeprefix(prefix) for work in index.manifest.unread}
        if index.version != settings.version or left_out != set(settings.left_out):
            raise NotMaterializedError(
                f"{settings.works} has changed since the corpus was read; materialize reference_corpus"
            )
        self._works = IndexedWorks(index, settings.policy)

    def results(self, pictures: Sequence[Picture]) -> list[AuditResult]:
        """See `Scoring`."""
        read = [read_picture(picture, self._store) for picture in pictures]
        lacking = [lacking_works(each) for each in read]
        whole = [i for i, works in enumerate(lacking) if works is None or len(works) > MOST_LACKING]
        results = dict(zip(whole, self._whole([read[i] for i in whole]), strict=True))
        for i in set(range(len(read))) - set(whole):
            results[i] = self._completed(read[i], lacking[i] or frozenset())
        return [light(results[i]) for i in range(len(read))]

    def recall(self, pictures: Sequence[Picture]) -> PlantedRecall:
        """See `Scoring`."""
        return planted_in_index(self._works, grounds(pictures, self._store))

    def rest(self, picture: Picture, without: tuple[int, ...]) -> AuditResult | None:
        """See `Scoring`."""
        read, left_out = read_picture(picture, self._store), [self.elements[number] for number in without]
        result = audit_rest(read.pixels, self._works, left_out, read.mask, picture.label)
        return light(result) if result else None

    def _whole(self, read: Sequence[Read]) -> list[AuditResult]:
        return audit_indexed(
            [each.pixels for each in read],
            self._works,
            masks=[each.mask for each in read],
            labels=[each.picture.label for each in read],
        )

    def _completed(self, read: Read, lacking: frozenset[str]) -> AuditResult:
        [described] = self._works.described([read.pixels])
        rows = [row for sha256 in sorted(lacking) for row in self._works.index.rows_of(sha256)]
        [further] = audit(
            read.pixels[None],
            [self._works.picture(row) for row in rows],
            self._works.policy,
            masks=read.mask[None],
            labels=[read.picture.label],
            index=self._works.at(rows, described),
        )
        return completed(read, further, self._first_view)

    def _first_view(self, sha256: str) -> ReferenceImage:
        return self._works.picture(self._works.index.rows_of(sha256)[0])
