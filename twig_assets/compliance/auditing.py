"""Auditing the images that have no verdict yet: by stored scores where these suffice, else by scoring them."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import ColumnElement, Text, cast, select
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import segmenter_name
from twig_assets.campaign.unread_works import unread_works
from twig_assets.campaign.works_index import is_indexed, works_index
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.hashing import canonical_json
from twig_assets.catalog.models import Audit, CorpusVersion, Image, Mask, Prompt, Reference
from twig_assets.catalog.serving import current_corpus
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance import scoring
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
from twig_assets.similarity.versions import library_versions

CHUNK = 16


@dataclass(frozen=True)
class Audited:
    """What `audit_images` did.

    Attributes:
        rejudged: How many images got a verdict by stored scores.
        results: The images that were scored, each with its result; see `THUMBNAIL` for the nearest work's pixels.
        seconds: How long the scoring took.
        recall: How many copies planted into the scored images were found; None if nothing was scored.
    """

    rejudged: int
    results: list[tuple[Image, AuditResult]]
    seconds: float
    recall: PlantedRecall | None = None


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
        unaudited = [image.id for image, _ in _unaudited(session, which, policy_id, corpus.id)]
        rejudged = rejudge(session, unaudited, policy, corpus.id, run_id)
        due = _unaudited(session, which, policy_id, corpus.id)
        masks = {image.id: mask_of(session, image.id, segmenter_name(campaign)) for image, _ in due}
        works = session.scalars(select(Reference).where(Reference.campaign == campaign.name))
        reference_ids = {work.sha256: work.id for work in works}
    if not due:
        return Audited(len(rejudged), [], 0.0)
    with catalog.session() as session:
        pictures = _pictures(session, due, masks, policy_id, corpus, campaign)
        context = _context(session, campaign, corpus, policy, store)
    chunks = [due[start : start + CHUNK] for start in range(0, len(due), CHUNK)]
    shards = [Shard(_name(chunk), [pictures[image.id] for image, _ in chunk]) for chunk in chunks]
    started, results = time.monotonic(), []
    with closing(engine.map(scoring.results, shards, context)) as scored:
        for chunk, of_chunk in zip(chunks, scored, strict=True):
            audited = [(image, result) for (image, _), result in zip(chunk, of_chunk, strict=True)]
            with catalog.session() as session:
                # The daily audit looks at images of every batch, so another run may have been faster.
                of_these = Image.id.in_([image.id for image, _ in chunk])
                left = {image.id for image, _ in _unaudited(session, of_these, policy_id, corpus.id)}
                for image, result in audited:
                    if image.id in left:
                        write_audit(session, image.id, policy_id, corpus.id, result, reference_ids, run_id)
            results += audited
            report(len(results), len(due))
    planted = Shard("planted copies", shards[0].content)
    [recall] = engine.map(scoring.recall, [planted], context)
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


def _pictures(
    session: Session,
    due: Sequence[tuple[Image, str]],
    masks: Mapping[int, Mask | None],
    policy_id: int,
    corpus: CorpusVersion,
    campaign: Campaign,
) -> dict[int, scoring.Picture]:
    """Image id -> what a worker is told about it."""
    rows = session.scalars(select(Reference).where(Reference.campaign == campaign.name))
    works = {row.sha256: _without_pixels(row, campaign.references_folder) for row in rows}
    carried = carried_over(session, [image.id for image, _ in due], policy_id, corpus, works)
    pictures = {}
    for image, text in due:
        mask = masks[image.id]
        earlier, lacking = carried.get(image.id, (None, frozenset[str]()))
        pictures[image.id] = scoring.Picture(image.sha256, mask.sha256 if mask else None, text, earlier, lacking)
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
) -> Context[scoring.Scoring]:
    if is_indexed(campaign, len(corpus.members)):
        unread_files = tuple(work.file for work in unread_works(session, campaign))
        in_index = IndexedSettings(
            works_index(campaign, _unseen),
            campaign.references_folder.absolute(),
            corpus_version(corpus.members),
            unread_files,
            policy,
            str(store.root),
        )
        return Context(IndexedScoring, in_index)
    unread = sorted({(work.file, work.sha256) for work in unread_works(session, campaign)}, key=str)
    # Workers of Ray have another working directory.
    folder = campaign.references_folder.absolute()
    follow_links = read_part(campaign.policy_file, CorpusSettings).follow_links
    settings = scoring.ScoringSettings(
        folder, tuple(corpus.members), tuple(unread), follow_links, policy, str(store.root)
    )
    return Context(scoring.FolderScoring, settings)


def _unseen(_done: int, _total: int) -> None:
    """Where the index is in line, there is no progress to report."""


def _name(chunk: Sequence[tuple[Image, str]]) -> str:
    """What errors call a chunk."""
    (first, _), (last, _) = chunk[0], chunk[-1]
    return f"images {first.id} to {last.id}"
