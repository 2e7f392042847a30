"""Comparing a picture that somebody sends with a campaign's works, as its images are compared."""

import hashlib
import threading
from dataclasses import dataclass, field, replace

import numpy as np
from fastapi import HTTPException, UploadFile

from twig_assets.campaign import Campaign
from twig_assets.campaign.allowed_elements import described, elements_in_force, what_is_left_out
from twig_assets.campaign.unread_works import read_works, unread_works
from twig_assets.catalog.models import AllowedElement
from twig_assets.catalog.serving import NotMaterializedError, current_corpus
from twig_assets.desk.app import Desk
from twig_assets.folder_audit.images import MAX_SIDE
from twig_assets.similarity import (
    AuditResult,
    EmptyCorpusError,
    Policy,
    ReferenceImage,
    ReferenceIndex,
    audit,
    opened_sources,
    read_policy,
)
from twig_assets.similarity.allowed import ALLOWED, RestOfWorks, concerned
from twig_assets.similarity.audit import indexed
from twig_assets.similarity.corpus.decode import DecodeError, decode
from twig_assets.similarity.corpus.sizes import reduced

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


@dataclass(frozen=True, eq=False)
class _Works:
    references: list[ReferenceImage]
    index: ReferenceIndex


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
            [result] = audit(pixels[None], works.references, policy, index=works.index)
            result = _without_allowed(pixels, result, works, elements, policy)
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
            try:
                references, _ = read_works(campaign)
            except EmptyCorpusError:
                references = []
            if {reference.sha256 for reference in references} != members:
                folder = campaign.references_folder
                raise NotMaterializedError(f"{folder} has changed since the corpus was read; run the campaign first")
            self._kept = key, _Works(references, indexed(references, opened_sources(policy.model_dump())))
        return self._kept[1]


def _without_allowed(
    pixels: np.ndarray, result: AuditResult, works: _Works, elements: list[AllowedElement], policy: Policy
) -> AuditResult:
    matches = [(match.reference_sha256, match.scores) for match in result.matches]
    known = [(element.id, element.work_sha256) for element in elements]
    ids = concerned(result.verdict, result.thresholds, matches, known)
    if not ids:
        return result
    left_out = [element for element in elements if element.id in ids]
    sources = opened_sources(policy.model_dump())
    rest = RestOfWorks(works.references, what_is_left_out(left_out), policy, sources)
    without = rest.audit(pixels, np.zeros(pixels.shape[:2], bool), result.label)
    if without is None:
        return result
    reasons = [f"{ALLOWED}{described(element)}" for element in left_out]
    return replace(without, reasons=[*reasons, *without.reasons])
