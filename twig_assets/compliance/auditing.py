"""Auditing the images that have no verdict yet: by stored scores where these suffice, else by scoring them."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import ColumnElement, Text, cast, select
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import segmenter_name
from twig_assets.campaign.unread_works import found_unread, read_works, unread_works
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.hashing import canonical_json
from twig_assets.catalog.models import Audit, CorpusVersion, Image, Mask, Prompt, Reference
from twig_assets.catalog.serving import NotMaterializedError, current_corpus
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.audit_rows import policy_row, write_audit
from twig_assets.compliance.candidates import mask_of
from twig_assets.compliance.carry_over import carried_over
from twig_assets.compliance.rejudge import rejudge
from twig_assets.similarity import (
    AuditResult,
    PlantedRecall,
    Policy,
    ReferenceImage,
    ReferenceIndex,
    audit,
    opened_sources,
    planted_recall,
    read_policy,
)
from twig_assets.similarity.audit import indexed
from twig_assets.similarity.corpus.views import first_views
from twig_assets.similarity.detectors.detector import Source
from twig_assets.similarity.result import extended
from twig_assets.similarity.versions import library_versions

CHUNK = 16


@dataclass(frozen=True)
class Audited:
    """What `audit_images` did.

    Attributes:
        rejudged: How many images got a verdict by stored scores.
        results: The images that were scored, each with its pixels and its result.
        seconds: How long the scoring took.
        recall: How many copies planted into the scored images were found; None if nothing was scored.
    """

    rejudged: int
    results: list[tuple[Image, np.ndarray, AuditResult]]
    seconds: float
    recall: PlantedRecall | None = None


@dataclass(frozen=True)
class _Picture:
    """An image to score, with its prompt's text, its pixels and the mask of its foreground, all False without one."""

    image: Image
    text: str
    pixels: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class _Scoring:
    """What images are scored against.

    Attributes:
        policy: The policy in force.
        references: The views of the works of the corpus in force.
        sources: The opened detectors that describe and compare; see `opened_sources`.
        index: The index of these works.
        earlier: Image id -> its audit against a part of the corpus, and the works that it lacks; see `carried_over`.
    """

    policy: Policy
    references: list[ReferenceImage]
    sources: list[Source]
    index: ReferenceIndex
    earlier: dict[int, tuple[AuditResult, frozenset[str]]]

    def results(self, pictures: Sequence[_Picture]) -> list[AuditResult]:
        """The result of each picture; all have the same size."""
        lacking = self._lacking(pictures)
        if lacking is None:
            return self._audit(pictures, self.references, self.index)
        added = [reference for reference in self.references if reference.sha256 in lacking]
        index = indexed(added, self.sources)
        results = self._audit(pictures, added, index)
        return [
            replace(extended(self.earlier[picture.image.id][0], result), label=result.label)
            for picture, result in zip(pictures, results, strict=True)
        ]

    def recall(self, grounds: np.ndarray) -> PlantedRecall:
        """How many copies planted into audited images, uint8 (n, H, W, 3), are found."""
        return planted_recall(self.references, self.policy, self.index, grounds)

    def _audit(
        self, pictures: Sequence[_Picture], references: list[ReferenceImage], index: ReferenceIndex
    ) -> list[AuditResult]:
        return audit(
            np.stack([picture.pixels for picture in pictures]),
            references,
            self.policy,
            masks=np.stack([picture.mask for picture in pictures]),
            labels=[picture.text for picture in pictures],
            index=index,
        )

    def _lacking(self, pictures: Sequence[_Picture]) -> frozenset[str] | None:
        """The works that the earlier audits of all pictures lack; None if a picture needs all works, or they differ."""
        lacking = set()
        for picture in pictures:
            result, works = self.earlier.get(picture.image.id, (None, None))
            # Another mask would give other scores inside it.
            if result is None or works is None or result.scores.get("mask_pixels") != int(picture.mask.sum()):
                return None
            lacking.add(works)
        return next(iter(lacking)) if len(lacking) == 1 else None


def audit_images(
    campaign: Campaign,
    catalog: Catalog,
    store: ArtifactStore,
    which: ColumnElement[bool],
    run_id: str,
    report: Callable[[int, int], None],
) -> Audited:
    """Give a verdict under the policy and corpus in force to every image that has none.

    An audit by other versions of the scoring libraries does not count: after an update of them, all images are audited
    again. Images are scored and written in chunks, so that an interruption costs one chunk.

    Args:
        campaign: The campaign whose policy and works are used.
        catalog: Holds the images; the audits go there.
        store: Holds the files of images and masks.
        which: A condition on `Image` and `Prompt`: the images to audit.
        run_id: The Dagster run that audits.
        report: Called after each chunk with how many images are scored, and of how many.

    Raises:
        NotMaterializedError: If `reference_corpus` has never been made, or the works have changed since.
    """
    policy = read_policy(campaign.policy_file)
    with catalog.session() as session:
        corpus = current_corpus(session, campaign.name)
        policy_id = policy_row(session, policy).id
        unaudited = [image.id for image, _ in _unaudited(session, which, policy_id, corpus.id)]
        rejudged = rejudge(session, unaudited, policy, corpus.id, run_id)
        due = _unaudited(session, which, policy_id, corpus.id)
        masks = {image.id: mask_of(session, image.id, segmenter_name(campaign)) for image, _ in due}
        works = session.scalars(select(Reference).where(Reference.campaign == campaign.name))
        reference_ids = {work.sha256: work.id for work in works}
    if not due:
        return Audited(len(rejudged), [], 0.0)
    scoring = _scoring(campaign, catalog, corpus, policy, policy_id, [image.id for image, _ in due])
    started, results = time.monotonic(), []
    for start in range(0, len(due), CHUNK):
        chunk = [_picture(store, image, text, masks[image.id]) for image, text in due[start : start + CHUNK]]
        for pictures in _by_size(chunk):
            scored = scoring.results(pictures)
            with catalog.session() as session:
                # The daily audit looks at images of every batch, so another run may have been faster.
                of_these = Image.id.in_([picture.image.id for picture in pictures])
                left = {image.id for image, _ in _unaudited(session, of_these, policy_id, corpus.id)}
                for picture, result in zip(pictures, scored, strict=True):
                    if picture.image.id in left:
                        write_audit(session, picture.image.id, policy_id, corpus.id, result, reference_ids, run_id)
            results += [(p.image, p.pixels, result) for p, result in zip(pictures, scored, strict=True)]
        report(len(results), len(due))
    recall = scoring.recall(_of_one_size([pixels for _, pixels, _ in results[:CHUNK]]))
    return Audited(len(rejudged), results, time.monotonic() - started, recall)


def _unaudited(session: Session, which: ColumnElement[bool], policy_id: int, corpus_id: int) -> list[tuple[Image, str]]:
    """The images without an audit under a policy and corpus by the library versions of now, with their prompts."""
    audited = select(Audit.image_id).where(
        Audit.policy_id == policy_id,
        Audit.corpus_version_id == corpus_id,
        cast(Audit.versions, Text) == canonical_json(library_versions()),
    )
    rows = session.execute(
        select(Image, Prompt.text).join(Prompt).where(which, Image.id.not_in(audited)).order_by(Image.id)
    )
    return [(image, text) for image, text in rows]


def _scoring(
    campaign: Campaign, catalog: Catalog, corpus: CorpusVersion, policy: Policy, policy_id: int, image_ids: list[int]
) -> _Scoring:
    references = _corpus_images(campaign, catalog, corpus)
    sources = opened_sources(policy.model_dump())
    index = indexed(references, sources)
    by_hash = {reference.sha256: reference for reference in first_views(references)}
    with catalog.session() as session:
        earlier = carried_over(session, image_ids, policy_id, corpus, by_hash)
    return _Scoring(policy, references, sources, index, earlier)


def _corpus_images(campaign: Campaign, catalog: Catalog, corpus: CorpusVersion) -> list[ReferenceImage]:
    """The views of the works of a corpus version from the campaign's folder, in order of file."""
    references, unreadable = read_works(campaign)
    with catalog.session() as session:
        known = {(work.file, work.sha256) for work in unread_works(session, campaign)}
    left_out = {(work.file, work.sha256) for work in found_unread(unreadable, campaign.references_folder)}
    if {reference.sha256 for reference in references} != set(corpus.members) or left_out != known:
        raise NotMaterializedError(
            f"{campaign.references_folder} has changed since the corpus was read; materialize reference_corpus"
        )
    return references


def _picture(store: ArtifactStore, image: Image, text: str, mask: Mask | None) -> _Picture:
    pixels = store.read_image(image.sha256)
    if mask is None or mask.sha256 is None:
        return _Picture(image, text, pixels, np.zeros(pixels.shape[:2], bool))
    return _Picture(image, text, pixels, store.read_image(mask.sha256).astype(bool))


def _by_size(pictures: Sequence[_Picture]) -> Iterator[list[_Picture]]:
    """Groups of pictures of the same size: images that were made with other settings may have another one."""
    for shape in sorted({picture.pixels.shape for picture in pictures}):
        yield [picture for picture in pictures if picture.pixels.shape == shape]


def _of_one_size(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Those pictures that have the size of the first: uint8 (n, H, W, 3)."""
    return np.stack([picture for picture in pictures if picture.shape == pictures[0].shape])
