"""Scoring images against a campaign's works, in whatever process or on whatever machine an engine does it.

A worker reads the works' folder and the artifact store, and writes nothing; the catalog is the caller's alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from twig_assets.campaign.unread_works import found_unread
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.allowances import concerned
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
from twig_assets.similarity.allowed import Allowed, RestOfWorks
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
        without: The allowed elements that it was audited without; empty where none could change the verdict.
        rest: Beside the works without these elements; None where it was not audited so, or nothing was left of them.
    """

    result: AuditResult | None
    without: tuple[int, ...] = ()
    rest: AuditResult | None = None


@dataclass(frozen=True)
class _Read:
    """A picture with its pixels, uint8 (H, W, 3), and the mask of its foreground, bool (H, W)."""

    picture: Picture
    pixels: np.ndarray
    mask: np.ndarray


class Scoring:
    """The works, indexed, and the store."""

    def __init__(self, settings: ScoringSettings) -> None:
        """Read and index the works.

        Raises:
            NotMaterializedError: If the works are others than those of the corpus in force.
        """
        self._policy = settings.policy
        self._elements = dict(settings.elements)
        self._rests: dict[tuple[int, ...], RestOfWorks] = {}
        self._store = ArtifactStore(settings.artifacts)
        self._references = _corpus_images(settings)
        self._sources = opened_sources(settings.policy.model_dump())
        self._index = indexed(self._references, self._sources)
        self._works = {reference.sha256: reference for reference in first_views(self._references)}

    def results(self, pictures: Sequence[Picture]) -> list[AuditResult]:
        """The result of each picture, in order; those of one size are compared together."""
        read = [self._read(picture) for picture in pictures]
        results: dict[int, AuditResult] = {}
        for indices in _by_size(read):
            group = [read[i] for i in indices]
            results |= zip(indices, self._of_one_size(group), strict=True)
        return [_light(results[i]) for i in range(len(read))]

    def scored(self, pictures: Sequence[Picture]) -> list[Scored]:
        """What each picture is found to be, in order: beside all works, and without what is allowed of them."""
        new = iter(self.results([picture for picture in pictures if not picture.without]))
        return [self._scored(picture, None if picture.without else next(new)) for picture in pictures]

    def _scored(self, picture: Picture, result: AuditResult | None) -> Scored:
        without = picture.without
        if result is not None and self._elements:
            matches = [(match.reference_sha256, match.scores) for match in result.matches]
            works = [(number, element.work) for number, element in self._elements.items()]
            without = concerned(result.verdict, result.thresholds, matches, works)
        if not without:
            return Scored(result)
        if without not in self._rests:
            left_out = [self._elements[number] for number in without]
            self._rests[without] = RestOfWorks(self._references, left_out, self._policy, self._sources)
        read = self._read(picture)
        rest = self._rests[without].audit(read.pixels, read.mask, picture.label)
        return Scored(result, without, _light(rest) if rest else None)

    def recall(self, pictures: Sequence[Picture]) -> PlantedRecall:
        """How many copies planted into images are found; into those that have the size of the first."""
        pixels = [self._store.read_image(picture.sha256) for picture in pictures]
        grounds = np.stack([picture for picture in pixels if picture.shape == pixels[0].shape])
        return planted_recall(self._references, self._policy, self._index, grounds)

    def _read(self, picture: Picture) -> _Read:
        pixels = self._store.read_image(picture.sha256)
        if picture.mask is None:
            return _Read(picture, pixels, np.zeros(pixels.shape[:2], bool))
        return _Read(picture, pixels, self._store.read_image(picture.mask).astype(bool))

    def _of_one_size(self, group: Sequence[_Read]) -> list[AuditResult]:
        lacking = _lacking(group)
        if lacking is None:
            return self._audit(group, self._references, self._index)
        added = [reference for reference in self._references if reference.sha256 in lacking]
        further = self._audit(group, added, indexed(added, self._sources))
        earlier = [read.picture.earlier for read in group]
        return [
            replace(extended(self._with_work(known), result), label=result.label)
            for known, result in zip(earlier, further, strict=True)
            if known is not None
        ]

    def _with_work(self, result: AuditResult) -> AuditResult:
        return replace(result, nearest=self._works[result.nearest.sha256] if result.nearest else None)

    def _audit(
        self, group: Sequence[_Read], references: list[ReferenceImage], index: ReferenceIndex
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


def _by_size(read: Sequence[_Read]) -> Iterator[list[int]]:
    """Indices of pictures of the same size: images that were made with other settings may have another one."""
    for shape in sorted({each.pixels.shape for each in read}):
        yield [i for i, each in enumerate(read) if each.pixels.shape == shape]


def _lacking(group: Sequence[_Read]) -> frozenset[str] | None:
    """The works that the earlier audits of all pictures lack; None if a picture needs all works, or they differ."""
    lacking = set()
    for read in group:
        earlier = read.picture.earlier
        # Another mask would give other scores inside it.
        if earlier is None or earlier.scores.get("mask_pixels") != int(read.mask.sum()):
            return None
        lacking.add(read.picture.lacking)
    return next(iter(lacking)) if len(lacking) == 1 else None


def _light(result: AuditResult) -> AuditResult:
    """The result with a small picture of the nearest work."""
    if result.nearest is None:
        return result
    return replace(result, nearest=replace(result.nearest, pixels=reduced(result.nearest.pixels, THUMBNAIL)))
