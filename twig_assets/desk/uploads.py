"""Comparing a picture that somebody sends with a campaign's works, as its images are compared."""

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from fastapi import HTTPException, UploadFile

from twig_assets.campaign import Campaign
from twig_assets.campaign.allowed_elements import described, elements_in_force, what_is_left_out
from twig_assets.campaign.unread_works import read_works, unread_works
from twig_assets.campaign.works_index import is_indexed, works_index
from twig_assets.catalog.models import AllowedElement
from twig_assets.catalog.serving import NotMaterializedError, current_corpus
from twig_assets.desk.app import Desk
from twig_assets.folder_audit.images import MAX_SIDE
from twig_assets.similarity import (
    AuditResult,
    EmptyCorpusError,
    Policy,
    ReferenceImage,
    audit,
    corpus_version,
    opened_sources,
    read_policy,
)
from twig_assets.similarity.allowed import ALLOWED, Allowed, RestOfWorks, concerned
from twig_assets.similarity.audit import indexed
from twig_assets.similarity.corpus.decode import DecodeError, decode
from twig_assets.similarity.corpus.sizes import reduced
from twig_assets.similarity.index.allowed import audit_rest
from twig_assets.similarity.index.audited import IndexedWorks, audit_indexed
from twig_assets.similarity.index.reader import CorpusIndex

MOST_UPLOADED = 64 << 20


def content_of(file: UploadFile) -> bytes:
    """The bytes of a file that somebody sends, of a size that can be looked at."""
    content = file.file.read(MOST_UPLOADED + 1)
    if len(content) > MOST_UPLOADED:
        raise HTTPException(413, f"The file is larger than {MOST_UPLOADED >> 20} MB; send a smaller copy.")
    return content


class UploadError(ValueError):
    """A picture that cannot be compared; the message says why."""


@dataclass(frozen=True)
class Uploaded:
    """What a picture has in common with a campaign's works.

    Attributes:
        sha256: Of the file.
        size: Width and height at which it was compared.
        verdict: By the policy in force, without what is allowed.
        reasons: Sentences for a person; the first ones say what was left out.
        nearest: The work that the verdict rests on; None for a picture that cannot be judged.
        result: All scores.
        policy_sha256: The policy.
        corpus_sha256: The corpus version.
        unread: Files of works that it was not compared with, whether or not somebody accepted that.
    """

    sha256: str
    size: tuple[int, int]
    verdict: str
    reasons: list[str]
    nearest: ReferenceImage | None
    result: AuditResult
    policy_sha256: str
    corpus_sha256: str
    unread: list[str]


class _Works(Protocol):
    """The works of a campaign, to compare pictures with."""

    def audit(self, pixels: np.ndarray) -> AuditResult:
        """What a picture, uint8 (h, w, 3), has in common with all works as they are."""

    def rest(self, pixels: np.ndarray, left_out: Sequence[Allowed], label: str) -> AuditResult | None:
        """The same without what is allowed; None where nothing is left to compare with."""


class _WorksInMemory(_Works):
    def __init__(self, references: list[ReferenceImage], policy: Policy) -> None:
        self._references, self._policy = references, policy
        self._sources = opened_sources(policy.model_dump())
        self._index = indexed(references, self._sources)

    def audit(self, pixels: np.ndarray) -> AuditResult:
        return audit(pixels[None], self._references, self._policy, index=self._index)[0]

    def rest(self, pixels: np.ndarray, left_out: Sequence[Allowed], label: str) -> AuditResult | None:
        without = RestOfWorks(self._references, left_out, self._policy, self._sources)
        return without.audit(pixels, np.zeros(pixels.shape[:2], bool), label)


class _WorksInIndex(_Works):
    def __init__(self, index: CorpusIndex, policy: Policy) -> None:
        self._works = IndexedWorks(index, policy)

    def audit(self, pixels: np.ndarray) -> AuditResult:
        return audit_indexed([pixels], self._works)[0]

    def rest(self, pixels: np.ndarray, left_out: Sequence[Allowed], label: str) -> AuditResult | None:
        return audit_rest(pixels, self._works, left_out, np.zeros(pixels.shape[:2], bool), label)


@dataclass
class Comparing:
    """Compares one picture at a time, and keeps the works of the campaign that was asked about last."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _kept: tuple[tuple[str, ...], _Works] | None = None

    def compare(self, desk: Desk, campaign: Campaign, content: bytes) -> Uploaded:
        """Compare a picture with a campaign's works; nothing is kept of it.

        Raises:
            UploadError: If it is no picture.
            NotMaterializedError: If the works were never read, or have changed since.
            PolicyError: If the campaign's policy cannot be read.
        """
        try:
            pixels = reduced(decode(content).pixels, MAX_SIDE)
        except DecodeError as error:
            raise UploadError(f"file: cannot be read as a picture: it {error}") from error
        policy = read_policy(campaign.policy_file)
        with desk.catalog.snapshot() as session:
            corpus = current_corpus(session, campaign.name)
            elements = elements_in_force(session, campaign.name)
            unread = [work.sentence for work in unread_works(session, campaign)]
        with self._lock:
            works = self._works(campaign, corpus.sha256, set(corpus.members), policy)
            result = _without_allowed(pixels, works.audit(pixels), works, elements)
        return Uploaded(
            sha256=hashlib.sha256(content).hexdigest(),
            size=(pixels.shape[1], pixels.shape[0]),
            verdict=result.verdict,
            reasons=result.reasons,
            nearest=result.nearest,
            result=result,
            policy_sha256=policy.sha256,
            corpus_sha256=corpus.sha256,
            unread=unread,
        )

    def _works(self, campaign: Campaign, corpus: str, members: set[str], policy: Policy) -> _Works:
        key = (campaign.name, corpus, policy.sha256)
        if self._kept is None or self._kept[0] != key:
            by_index = is_indexed(campaign, len(members))
            self._kept = key, (_in_index if by_index else _in_memory)(campaign, members, policy)
        return self._kept[1]


def _in_memory(campaign: Campaign, members: set[str], policy: Policy) -> _Works:
    try:
        references, _ = read_works(campaign)
    except EmptyCorpusError:
        references = []
    if {reference.sha256 for reference in references} != members:
        raise _changed(campaign)
    return _WorksInMemory(references, policy)


def _in_index(campaign: Campaign, members: set[str], policy: Policy) -> _Works:
    index = CorpusIndex(works_index(campaign, lambda done, total: None))
    if index.version != corpus_version(members):
        raise _changed(campaign)
    return _WorksInIndex(index, policy)


def _changed(campaign: Campaign) -> NotMaterializedError:
    return NotMaterializedError(
        f"{campaign.references_folder} has changed since the corpus was read; run the campaign first"
    )


def _without_allowed(
    pixels: np.ndarray, result: AuditResult, works: _Works, elements: list[AllowedElement]
) -> AuditResult:
    matches = [(match.reference_sha256, match.scores) for match in result.matches]
    known = [(element.id, element.work_sha256) for element in elements]
    ids = concerned(result.verdict, result.thresholds, matches, known)
    left_out = [element for element in elements if element.id in ids]
    without = works.rest(pixels, what_is_left_out(left_out), result.label) if left_out else None
    if without is None:
        return result
    reasons = [f"{ALLOWED}{described(element)}" for element in left_out]
    return replace(without, reasons=[*reasons, *without.reasons])
