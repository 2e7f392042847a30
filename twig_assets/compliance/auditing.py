"""Auditing the images of the catalog that have no verdict yet: by stored scores where these tell, else by scoring."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import ColumnElement, Text, cast, select
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import segmenter_name
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.hashing import canonical_json
from twig_assets.catalog.models import Audit, AuditMatch, CorpusVersion, Image, Prompt, Reference
from twig_assets.catalog.serving import NotMaterializedError, current_corpus
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.candidates import mask_of
from twig_assets.compliance.carry_over import carried_over
from twig_assets.compliance.rejudge import policy_row, rejudge
from twig_assets.similarity import (
    AuditResult,
    PlantedRecall,
    ReferenceImage,
    ReferenceIndex,
    audit,
    opened_sources,
    planted_recall,
    read_policy,
    read_references,
)
from twig_assets.similarity.audit import library_versions
from twig_assets.similarity.result import extended

CHUNK = 16


@dataclass(frozen=True)
class Audited:
    """What was audited.

    Attributes:
        rejudged: Images whose verdict stored scores told.
        results: Images that were scored, with their pixels and verdicts.
        seconds: How long the scoring took.
        recall: How many copies planted into the scored images were found; None if nothing was scored.
    """

    rejudged: int
    results: list[tuple[Image, np.ndarray, AuditResult]]
    seconds: float
    recall: PlantedRecall | None = None


def audit_images(
    campaign: Campaign,
    catalog: Catalog,
    store: ArtifactStore,
    which: ColumnElement[bool],
    run_id: str,
    report: Callable[[int, int], None],
) -> Audited:
    """Give a verdict under the present policy and corpus to every image that has none, a chunk at a time.

    An audit that other versions of the scoring libraries made is none: an update of them has everything audited anew.

    Args:
        campaign: Whose policy and works.
        catalog: Where the images are and the audits go.
        store: Where their files are.
        which: A condition on `Image` and `Prompt`.
        run_id: The Dagster run that audits.
        report: Called with how many are scored, and of how many.

    Raises:
        NotMaterializedError: If `reference_corpus` has never been made.
    """
    policy = read_policy(campaign.folder / "policy.yaml")
    with catalog.session() as session:
        corpus = current_corpus(session, campaign.name)
        policy_id = policy_row(session, policy).id
        waiting = _unaudited(session, which, policy_id, corpus.id)
        rejudged = rejudge(session, [image.id for image, _ in waiting], policy, corpus.id, run_id)
        due = _unaudited(session, which, policy_id, corpus.id)
        masks = {image.id: mask_of(session, image.id, segmenter_name(campaign)) for image, _ in due}
        works = session.scalars(select(Reference).where(Reference.campaign == campaign.name))
        reference_ids = {work.sha256: work.id for work in works}
    if not due:
        return Audited(len(rejudged), [], 0.0)
    references = _corpus_images(campaign, corpus)
    sources = opened_sources(policy.model_dump())
    index = ReferenceIndex([reference.pixels for reference in references], sources)
    with catalog.session() as session:
        by_hash = {reference.sha256: reference for reference in references}
        earlier = carried_over(session, [image.id for image, _ in due], policy_id, corpus, by_hash)
    started, results = time.monotonic(), []
    for start in range(0, len(due), CHUNK):
        chunk = due[start : start + CHUNK]
        pictures = [store.read_image(image.sha256) for image, _ in chunk]
        shapes = [_shape(store, masks[i.id], p.shape[:2]) for (i, _), p in zip(chunk, pictures, strict=True)]
        # Images of other settings may have another size.
        for size in sorted({picture.shape for picture in pictures}):
            of_size = [k for k, picture in enumerate(pictures) if picture.shape == size]
            images, stack = [chunk[k][0] for k in of_size], np.stack([shapes[k] for k in of_size])
            lacking = _lacking(images, earlier, stack)
            against = references if lacking is None else [one for one in references if one.sha256 in lacking]
            searched = index if lacking is None else ReferenceIndex([w.pixels for w in against], sources)
            found = audit(
                np.stack([pictures[k] for k in of_size]),
                against,
                policy,
                masks=stack,
                labels=[chunk[k][1] for k in of_size],
                index=searched,
            )
            if lacking is not None:
                found = [
                    replace(extended(earlier[image.id][0], one), label=one.label)
                    for image, one in zip(images, found, strict=True)
                ]
            with catalog.session() as session:
                # The daily audit looks at images of every batch, so another run may have been faster.
                left = {
                    i.id for i, _ in _unaudited(session, Image.id.in_([i.id for i in images]), policy_id, corpus.id)
                }
                for k, result in zip(of_size, found, strict=True):
                    if chunk[k][0].id not in left:
                        continue
                    _write(session, chunk[k][0].id, policy_id, corpus.id, result, reference_ids, run_id)
            results += [(chunk[k][0], pictures[k], result) for k, result in zip(of_size, found, strict=True)]
        report(len(results), len(due))
    of_one_size = [pixels for _, pixels, _ in results[:CHUNK] if pixels.shape == results[0][1].shape]
    recall = planted_recall(references, policy, index, np.stack(of_one_size))
    return Audited(len(rejudged), results, time.monotonic() - started, recall)


def _unaudited(session: Session, which: ColumnElement[bool], policy_id: int, corpus_id: int) -> list[tuple[Image, str]]:
    audited = select(Audit.image_id).where(
        Audit.policy_id == policy_id,
        Audit.corpus_version_id == corpus_id,
        cast(Audit.versions, Text) == canonical_json(library_versions()),
    )
    rows = session.execute(
        select(Image, Prompt.text).join(Prompt).where(which, Image.id.not_in(audited)).order_by(Image.id)
    )
    return [(image, text) for image, text in rows]


def _corpus_images(campaign: Campaign, corpus: CorpusVersion) -> list[ReferenceImage]:
    found, _ = read_references(campaign.folder / "references")
    present = [reference for reference in found if reference.sha256 in set(corpus.members)]
    if len(present) != len(corpus.members) or len(found) != len(present):
        raise NotMaterializedError(
            f"{campaign.folder / 'references'} has changed since the corpus was read; materialize reference_corpus"
        )
    return present


def _lacking(
    images: list[Image], earlier: dict[int, tuple[AuditResult, frozenset[str]]], shapes: np.ndarray
) -> frozenset[str] | None:
    """The works that the earlier audits of all these images lack; None if one has to be compared with every work."""
    lacks = set()
    for image, shape in zip(images, shapes, strict=True):
        result, works = earlier.get(image.id, (None, None))
        # Another mask would give other scores inside it.
        if result is None or works is None or result.scores.get("mask_pixels") != int(shape.sum()):
            return None
        lacks.add(works)
    return next(iter(lacks)) if len(lacks) == 1 else None


def _shape(store: ArtifactStore, mask: object, size: tuple[int, ...]) -> np.ndarray:
    sha256 = getattr(mask, "sha256", None)
    return store.read_image(sha256).astype(bool) if sha256 else np.zeros(size, bool)


def _write(
    session: Session,
    image_id: int,
    policy_id: int,
    corpus_id: int,
    result: AuditResult,
    ids: dict[str, int],
    run_id: str,
) -> None:
    row = Audit(
        image_id=image_id,
        policy_id=policy_id,
        corpus_version_id=corpus_id,
        verdict=result.verdict,
        reasons=result.reasons,
        nearest_reference_id=ids[result.nearest.sha256] if result.nearest else None,
        scores=result.scores,
        thresholds=result.thresholds,
        versions=result.versions,
        run_id=run_id,
    )
    session.add(row)
    session.flush()
    for match in result.matches:
        scores = {
            key: value for key, value in match.as_row().items() if key not in ("reference_sha256", "rank", "transform")
        }
        session.add(
            AuditMatch(
                audit_id=row.id,
                reference_id=ids[match.reference_sha256],
                rank=match.rank,
                scores=scores,
                transform=match.transform,
            )
        )
