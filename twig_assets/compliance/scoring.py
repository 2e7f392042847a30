"""Scoring images against a campaign's works, in whatever process or on whatever machine an engine does it.

A worker reads the works' folder and the artifact store, and writes nothing; the catalog is the caller's alone.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from twig_assets.campaign.unread_works import found_unread
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.catalog.store import ArtifactStore
from twig_assets.similarity import (
    AuditResult,
    PlantedRecall,
    Policy,
    ReferenceImage,
    ReferenceIndex,
    audit,
    opened_sources,
    planted_recall,
    read_references,
)
from twig_assets.similarity.allowed import Allowed, RestOfWorks, concerned
from twig_assets.similarity.audit import indexed
from twig_assets.similarity.corpus.sizes import reduced
from twig_assets.similarity.corpus.views import first_views
from twig_assets.similarity.result import extended

THUMBNAIL = 256
"""Longest side of the nearest work's pixels in a result, which travels between processes."""


@dataclass(frozen=True)
class ScoringSettings:
    """What a worker opens.

    Attributes:
        works: The folder of works.
        members: Hashes of the works of the corpus in force, in order.
        left_out: Names and hashes of the files there that nothing is compared with, in order; see `found_unread`.
        follow_links: Whether links are followed that lead out of the folder.
        policy: The policy in force.
        artifacts: Folder or fsspec URL of the store that holds images and masks.
        elements: Id of each allowed element -> what it is.
    """

    works: Path
    members: tuple[str, ...]
    left_out: tuple[tuple[str, str | None], ...]
    follow_links: bool
    policy: Policy
    artifacts: str
    elements: Mapping[int, Allowed] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """An image to score.

    Attributes:
        sha256: Names it in the store.
        mask: Names the mask of its foreground in the store; None where there is none.
        label: Its prompt's text.
        earlier: Its audit against a part of the corpus, whose `nearest` has no pixels; None without one.
        lacking: Hashes of the works that the earlier audit lacks.
        without: The allowed elements that it only has to be audited without, since its audit beside all works is known;
            empty where that is not.
    """

    sha256: str
    mask: str | None
    label: str
    earlier: AuditResult | None = None
    lacking: frozenset[str] = frozenset()
    without: tuple[int, ...] = ()


@dataclass(frozen=True)
class Scored:
    """What a picture was found to be.

    Attributes:
        result: Beside all works as they are; None where that was known.
        without: The allowed elements that may change the verdict; empty for most.
        rest: Beside the works without these elements; None where it could not be audited so.
    """

    result: AuditResult | None
    without: tuple[int, ...] = ()
    rest: AuditResult | None = None


@dataclass(frozen=True)
class Read:
    """A picture with its pixels, uint8 (H, W, 3), and the mask of its foreground, bool (H, W)."""

    picture: Picture
    pixels: np.ndarray
    mask: np.ndarray


class Scoring(Protocol):
    """Opened works, and the store.

    Attributes:
        elements: Id of each allowed element -> what it is.
    """

    elements: Mapping[int, Allowed]

    @abstractmethod
    def results(self, pictures: Sequence[Picture]) -> list[AuditResult]:
        """The result of each picture, in order."""

    @abstractmethod
    def recall(self, pictures: Sequence[Picture]) -> PlantedRecall:
        """How many copies planted into images are found; into those that have the size of the first."""

    @abstractmethod
    def rest(self, picture: Picture, without: tuple[int, ...]) -> AuditResult | None:
        """What a picture is beside the works without elements; None where nothing is left to compare with."""

    def scored(self, pictures: Sequence[Picture]) -> list[Scored]:
        """What each picture is found to be, in order: beside all works, and without what is allowed of them."""
        new = iter(self.results([picture for picture in pictures if not picture.without]))
        return [self._scored(picture, None if picture.without else next(new)) for picture in pictures]

    def _scored(self, picture: Picture, result: AuditResult | None) -> Scored:
        without = picture.without
        if result is not None and self.elements:
            matches = [(match.reference_sha256, match.scores) for match in result.matches]
            works = [(number, element.work) for number, element in self.elements.items()]
            without = concerned(result.verdict, result.thresholds, matches, works)
        return Scored(result, without, self.rest(picture, without) if without else None)


class FolderScoring(Scoring):
    """All works in memory, each compared with."""

    def __init__(self, settings: ScoringSettings) -> None:
        """Read and index the works.

        Raises:
            NotMaterializedError: If the works are others than those of the corpus in force.
        """
        self._policy = settings.policy
        self.elements = dict(settings.elements)
        self._rests: dict[tuple[int, ...], RestOfWorks] = {}
        self._store = ArtifactStore(settings.artifacts)
        self._references = _corpus_images(settings)
        self._sources = opened_sources(settings.policy.model_dump())
        self._index = indexed(self._references, self._sources)
        self._works = {reference.sha256: reference for reference in first_views(self._references)}

    def results(self, pictures: Sequence[Picture]) -> list[AuditResult]:
        """See `Scoring`; those of one size are compared together."""
        read = [read_picture(picture, self._store) for picture in pictures]
        results: dict[int, AuditResult] = {}
        for indices in _by_size(read):
            group = [read[i] for i in indices]
            results |= zip(indices, self._of_one_size(group), strict=True)
        return [light(results[i]) for i in range(len(read))]

    def recall(self, pictures: Sequence[Picture]) -> PlantedRecall:
        """See `Scoring`."""
        return planted_recall(self._references, self._policy, self._index, grounds(pictures, self._store))

    def rest(self, picture: Picture, without: tuple[int, ...]) -> AuditResult | None:
        """See `Scoring`."""
        if without not in self._rests:
            left_out = [self.elements[number] for number in without]
            self._rests[without] = RestOfWorks(self._references, left_out, self._policy, self._sources)
        read = read_picture(picture, self._store)
        result = self._rests[without].audit(read.pixels, read.mask, picture.label)
        return light(result) if result else None

    def _of_one_size(self, group: Sequence[Read]) -> list[AuditResult]:
        lacking = [lacking_works(read) for read in group]
        if lacking[0] is None or len(set(lacking)) > 1:
            return self._audit(group, self._references, self._index)
        added = [reference for reference in self._references if reference.sha256 in lacking[0]]
        further = self._audit(group, added, indexed(added, self._sources))
        return [completed(read, result, self._works.__getitem__) for read, result in zip(group, further, strict=True)]

    def _audit(
        self, group: Sequence[Read], references: list[ReferenceImage], index: ReferenceIndex
    ) -> list[AuditResult]:
        return audit(
            np.stack([read.pixels for read in group]),
            references,
            self._policy,
            masks=np.stack([read.mask for read in group]),
            labels=[read.picture.label for read in group],
            index=index,
        )


def scored(scoring: Scoring, pictures: Sequence[Picture]) -> list[Scored]:
    """See `Scoring.scored`; for an engine."""
    return scoring.scored(pictures)


def recall(scoring: Scoring, pictures: Sequence[Picture]) -> PlantedRecall:
    """See `Scoring.recall`; for an engine."""
    return scoring.recall(pictures)


def _corpus_images(settings: ScoringSettings) -> list[ReferenceImage]:
    """The views of the works of the corpus in force, in order of file."""
    references, unreadable = read_references(settings.works, settings.follow_links)
    left_out = {(work.file, work.sha256) for work in found_unread(unreadable, settings.works)}
    members = {reference.sha256 for reference in references}
    if members != set(settings.members) or left_out != set(settings.left_out):
        raise NotMaterializedError(
            f"{settings.works} has changed since the corpus was read; materialize reference_corpus"
        )
    return references


def read_picture(picture: Picture, store: ArtifactStore) -> Read:
    """A picture with its pixels and its mask."""
    pixels = store.read_image(picture.sha256)
    if picture.mask is None:
        return Read(picture, pixels, np.zeros(pixels.shape[:2], bool))
    return Read(picture, pixels, store.read_image(picture.mask).astype(bool))


def grounds(pictures: Sequence[Picture], store: ArtifactStore) -> np.ndarray:
    """What copies are planted into: the pictures that have the size of the first, uint8 (n, H, W, 3)."""
    pixels = [store.read_image(picture.sha256) for picture in pictures]
    return np.stack([picture for picture in pixels if picture.shape == pixels[0].shape])


def _by_size(read: Sequence[Read]) -> Iterator[list[int]]:
    """Indices of pictures of the same size: images that were made with other settings may have another one."""
    for shape in sorted({each.pixels.shape for each in read}):
        yield [i for i, each in enumerate(read) if each.pixels.shape == shape]


def lacking_works(read: Read) -> frozenset[str] | None:
    """The works that a picture's earlier audit lacks; None if it has none that can be completed."""
    earlier = read.picture.earlier
    # Another mask would give other scores inside it.
    if earlier is None or earlier.scores.get("mask_pixels") != int(read.mask.sum()):
        return None
    return read.picture.lacking


def completed(read: Read, further: AuditResult, work: Callable[[str], ReferenceImage]) -> AuditResult:
    """A picture's earlier audit together with one against the works that it lacks; see `extended`.

    Args:
        read: The picture; it has an earlier audit.
        further: The second audit.
        work: Gives, by its hash, the first view of a work.
    """
    earlier = read.picture.earlier
    assert earlier is not None
    known = replace(earlier, nearest=work(earlier.nearest.sha256) if earlier.nearest else None)
    return replace(extended(known, further), label=further.label)


def light(result: AuditResult) -> AuditResult:
    """The result with a small picture of the nearest work."""
    if result.nearest is None:
        return result
    return replace(result, nearest=replace(result.nearest, pixels=reduced(result.nearest.pixels, THUMBNAIL)))
