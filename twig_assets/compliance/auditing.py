"""Auditing the images that have no verdict yet: by stored scores where these suffice, else by scoring them."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sqlalchemy import ColumnElement, Text, cast, select
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.campaign.allowed_elements import as_key, described, elements_in_force, what_is_left_out
from twig_assets.campaign.rules_in_force import rules_under, segmenter_name
from twig_assets.campaign.unread_works import unread_works
from twig_assets.campaign.works_index import is_indexed, works_index
from twig_assets.catalog.among import among
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.hashing import canonical_json
from twig_assets.catalog.models import AllowedElement, Audit, AuditMatch, CorpusVersion, Image, Mask, Prompt, Reference
from twig_assets.catalog.serving import current_corpus
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance import scoring
from twig_assets.compliance.allowances import lacking
from twig_assets.compliance.audit_rows import policy_row, write_audit
from twig_assets.compliance.candidates import mask_of
from twig_assets.compliance.carry_over import carried_over
from twig_assets.compliance.indexed_scoring import IndexedScoring, IndexedSettings
from twig_assets.compliance.rejudge import rejudge
from twig_assets.engines import Context, Engine, Shard
from twig_assets.settings.corpus import CorpusSettings
from twig_assets.similarity import (
    AuditResult,
    PlantedRecall,
    Policy,
    ReferenceImage,
    corpus_version,
    read_part,
    read_policy,
)
from twig_assets.similarity.allowed import ALLOWED
from twig_assets.similarity.versions import library_versions

CHUNK = 16
NOTHING_LEFT = "without that nothing could be compared, so the verdict beside all works stands"


@dataclass(frozen=True)
class Audited:
    """What `audit_images` did.

    Attributes:
        rejudged: How many images got a verdict by stored scores.
        results: The images that were scored, each with its result; see `THUMBNAIL` for the nearest work's pixels.
        seconds: How long the scoring took.
        recall: How many copies planted into the scored images were found; None if nothing was scored.
        allowed: How many images got a verdict without what is allowed of works.
    """

    rejudged: int
    results: list[tuple[Image, AuditResult]]
    seconds: float
    recall: PlantedRecall | None = None
    allowed: int = 0


def audit_images(
    campaign: Campaign,
    catalog: Catalog,
    store: ArtifactStore,
    which: ColumnElement[bool],
    run_id: str,
    report: Callable[[int, int], None],
    engine: Engine,
) -> Audited:
    """Give a verdict under the policy and corpus in force to every image that has none.

    An audit by other versions of the scoring libraries does not count: after an update of them, all images are audited
    again. Images are scored and written in chunks, so that an interruption costs one chunk for each worker.

    Args:
        campaign: The campaign whose policy and works are used.
        catalog: Holds the images; the audits go there.
        store: Holds the files of images and masks.
        which: A condition on `Image` and `Prompt`: the images to audit.
        run_id: The Dagster run that audits.
        report: Called after each chunk with how many images are scored, and of how many.
        engine: Computes the scores. The works' folder and the store have to be within reach of its workers.

    Raises:
        NotMaterializedError: If `reference_corpus` has never been made, or the works have changed since.
    """
    policy = read_policy(campaign.policy_file)
    with catalog.session() as session:
        corpus = current_corpus(session, campaign.name)
        policy_id = policy_row(session, policy).id
        rules = rules_under(session, campaign, model_sha256="")
        elements = {element.id: element for element in elements_in_force(session, campaign.name)}
        unaudited = [image.id for image, _ in _unaudited(session, which, policy_id, corpus.id)]
        rejudged = rejudge(session, unaudited, policy, corpus.id, run_id, rules.allowed)
        due = _unaudited(session, which, policy_id, corpus.id)
        known = Image.id.not_in([image.id for image, _ in due])
        without = lacking(session, [which, known], rules, list(elements.values()))
        due += _with_texts(session, without)
        masks = {image.id: mask_of(session, image.id, segmenter_name(campaign)) for image, _ in due}
        works = session.scalars(select(Reference).where(Reference.campaign == campaign.name))
        reference_ids = {work.sha256: work.id for work in works}
    if not due:
        return Audited(len(rejudged), [], 0.0)
    with catalog.session() as session:
        pictures = _pictures(session, due, masks, policy_id, corpus, campaign, without)
        context = _context(session, campaign, corpus, policy, store, elements.values())
    chunks = [due[start : start + CHUNK] for start in range(0, len(due), CHUNK)]
    shards = [Shard(_name(chunk), [pictures[image.id] for image, _ in chunk]) for chunk in chunks]
    writer = _Writer(policy_id, corpus.id, reference_ids, run_id, elements)
    started, results, done = time.monotonic(), [], 0
    with closing(engine.map(scoring.scored, shards, context)) as scored:
        for chunk, of_chunk in zip(chunks, scored, strict=True):
            with catalog.session() as session:
                for (image, _), found in zip(chunk, of_chunk, strict=True):
                    writer.write(session, image.id, found)
            results += [(image, s.result) for (image, _), s in zip(chunk, of_chunk, strict=True) if s.result]
            done += len(chunk)
            report(done, len(due))
    seconds = time.monotonic() - started
    planted = [picture for picture in shards[0].content if not picture.without]
    recall = (
        next(iter(engine.map(scoring.recall, [Shard("planted copies", planted)], context)), None) if planted else None
    )
    return Audited(len(rejudged), results, seconds, recall, writer.allowed)


@dataclass
class _Writer:
    """Writes what images were found to be, if no other run was faster.

    Attributes:
        policy_id: See `write_audit`; likewise those that follow.
        corpus_id: The corpus version.
        reference_ids: Hash of a work's file -> id of its row.
        run_id: The run.
        elements: Id -> each allowed element.
        allowed: How many audits were written that leave something out.
    """

    policy_id: int
    corpus_id: int
    reference_ids: dict[str, int]
    run_id: str
    elements: dict[int, AllowedElement]
    allowed: int = 0

    def write(self, session: Session, image_id: int, scored: scoring.Scored) -> None:
        """Add the rows of one image: beside all works and, after that, without what is allowed of them."""
        # The daily audit looks at images of every batch, so another run may have been faster.
        if scored.result is not None and _unaudited(session, Image.id == image_id, self.policy_id, self.corpus_id):
            self._add(session, image_id, scored.result, None)
        allowed = as_key(scored.without)
        if not allowed or self._known(session, image_id, allowed):
            return
        left_out = [f"{ALLOWED}{described(self.elements[number])}" for number in scored.without]
        if scored.rest is None:
            self._repeat(session, image_id, allowed, [*left_out, NOTHING_LEFT])
        else:
            rest = replace(scored.rest, reasons=[*left_out, *scored.rest.reasons])
            self._add(session, image_id, rest, allowed)
        self.allowed += 1

    def _repeat(self, session: Session, image_id: int, allowed: str, reasons: list[str]) -> None:
        """Give the verdict beside all works once more, since without what is allowed there is none."""
        of_image = (Audit.image_id == image_id, Audit.allowed.is_(None), *_of_now(self.policy_id, self.corpus_id))
        known = session.scalars(select(Audit).where(*of_image).order_by(Audit.id.desc())).first()
        if known is None:
            return
        names = ("image_id", "policy_id", "corpus_version_id", "verdict", "nearest_reference_id", "scores")
        same = {name: getattr(known, name) for name in (*names, "thresholds", "versions")}
        matches = [
            AuditMatch(reference_id=m.reference_id, rank=m.rank, scores=m.scores, transform=m.transform)
            for m in known.matches
        ]
        said = [*reasons, *known.reasons]
        session.add(Audit(**same, reasons=said, run_id=self.run_id, allowed=allowed, matches=matches))
        session.flush()

    def _add(self, session: Session, image_id: int, result: AuditResult, allowed: str | None) -> None:
        ids = (self.policy_id, self.corpus_id)
        write_audit(session, image_id, *ids, result, self.reference_ids, self.run_id, allowed)

    def _known(self, session: Session, image_id: int, allowed: str) -> bool:
        of_now = _of_now(self.policy_id, self.corpus_id)
        wanted = select(Audit.id).where(Audit.image_id == image_id, Audit.allowed == allowed, *of_now)
        return session.scalar(wanted.limit(1)) is not None


def _unaudited(session: Session, which: ColumnElement[bool], policy_id: int, corpus_id: int) -> list[tuple[Image, str]]:
    """The images without an audit under a policy and corpus by the library versions of now, with their prompts."""
    audited = select(Audit.image_id).where(Audit.allowed.is_(None), *_of_now(policy_id, corpus_id))
    rows = session.execute(
        select(Image, Prompt.text).join(Prompt).where(which, Image.id.not_in(audited)).order_by(Image.id)
    )
    return [(image, text) for image, text in rows]


def _of_now(policy_id: int, corpus_id: int) -> tuple[ColumnElement[bool], ...]:
    """Conditions on `Audit`: under a policy and corpus, by the library versions that are installed now."""
    versions = cast(Audit.versions, Text) == canonical_json(library_versions())
    return Audit.policy_id == policy_id, Audit.corpus_version_id == corpus_id, versions


def _with_texts(session: Session, image_ids: Iterable[int]) -> list[tuple[Image, str]]:
    rows = select(Image, Prompt.text).join(Prompt).where(among(Image.id, image_ids)).order_by(Image.id)
    return [(image, text) for image, text in session.execute(rows)]


def _pictures(
    session: Session,
    due: Sequence[tuple[Image, str]],
    masks: Mapping[int, Mask | None],
    policy_id: int,
    corpus: CorpusVersion,
    campaign: Campaign,
    without: Mapping[int, tuple[int, ...]],
) -> dict[int, scoring.Picture]:
    """Image id -> what a worker is told about it."""
    rows = session.scalars(select(Reference).where(Reference.campaign == campaign.name))
    works = {row.sha256: _without_pixels(row, campaign.references_folder) for row in rows}
    carried = carried_over(session, [image.id for image, _ in due], policy_id, corpus, works)
    pictures = {}
    for image, text in due:
        mask = masks[image.id]
        earlier, lacks = carried.get(image.id, (None, frozenset[str]()))
        of_mask = mask.sha256 if mask else None
        pictures[image.id] = scoring.Picture(image.sha256, of_mask, text, earlier, lacks, without.get(image.id, ()))
    return pictures


def _without_pixels(row: Reference, folder: Path) -> ReferenceImage:
    """A work of the catalog; workers have its pixels."""
    nothing = np.zeros((0, 0, 3), np.uint8)
    return ReferenceImage(folder / row.file, row.title, row.rights_holder, row.licence, row.sha256, nothing)


def _context(
    session: Session,
    campaign: Campaign,
    corpus: CorpusVersion,
    policy: Policy,
    store: ArtifactStore,
    elements: Collection[AllowedElement],
) -> Context[scoring.Scoring]:
    allowed = dict(zip([element.id for element in elements], what_is_left_out(elements), strict=True))
    if is_indexed(campaign, len(corpus.members)):
        unread_files = tuple(work.file for work in unread_works(session, campaign))
        in_index = IndexedSettings(
            works_index(campaign, _unseen),
            campaign.references_folder.absolute(),
            corpus_version(corpus.members),
            unread_files,
            policy,
            str(store.root),
            allowed,
        )
        return Context(IndexedScoring, in_index)
    unread = sorted({(work.file, work.sha256) for work in unread_works(session, campaign)}, key=str)
    # Workers of Ray have another working directory.
    folder = campaign.references_folder.absolute()
    follow_links = read_part(campaign.policy_file, CorpusSettings).follow_links
    settings = scoring.ScoringSettings(
        folder, tuple(corpus.members), tuple(unread), follow_links, policy, str(store.root), allowed
    )
    return Context(scoring.FolderScoring, settings)


def _unseen(_done: int, _total: int) -> None:
    """Where the index is in line, there is no progress to report."""


def _name(chunk: Sequence[tuple[Image, str]]) -> str:
    """What errors call a chunk."""
    (first, _), (last, _) = chunk[0], chunk[-1]
    return f"images {first.id} to {last.id}"
