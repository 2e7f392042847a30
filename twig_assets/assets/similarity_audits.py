"""The asset `similarity_audits` and the check that gates what is released."""

import time
from dataclasses import asdict, replace

import dagster as dg
import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from resources import CampaignResource, CatalogResource, ProgressResource, StoreResource, TrackerResource
from twig_assets.assets.partitions import prompt_batches
from twig_assets.assets.reference_corpus import reference_corpus
from twig_assets.assets.regenerated_images import regenerated_images
from twig_assets.assets.thumbnails import gallery
from twig_assets.campaigns import Campaign
from twig_assets.catalog.attempts import PromptState, mask_of, prompt_states
from twig_assets.catalog.models import Audit, AuditMatch, CorpusVersion, Image, Prompt, Reference
from twig_assets.catalog.serving import current_corpus
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.carry_over import carried_over
from twig_assets.compliance.rejudge import policy_row, rejudge
from twig_assets.present import present_rules, segmenter_name
from twig_assets.similarity import (
    AuditResult,
    PlantedRecall,
    ReferenceImage,
    ReferenceIndex,
    audit,
    planted_recall,
    read_policy,
    read_references,
)
from twig_assets.similarity.detectors import embedders_of
from twig_assets.similarity.extend import extended

CHUNK = 16


@dg.asset(
    partitions_def=prompt_batches,
    deps=[regenerated_images, reference_corpus],
    group_name="audit",
    owners=["team:legal"],
    kinds={"scikitimage", "mlflow"},
    description="Every image of the batch, first and second, against every protected work: SSIM in eight orientations, "
    "whole and inside the mask, and detectors that find crops, turns, recoloured and pasted copies. Copies planted in "
    "every run measure what is found. A verdict is an opinion about similarity, not about infringement.",
)
def similarity_audits(
    context: dg.AssetExecutionContext,
    campaign: CampaignResource,
    catalog: CatalogResource,
    store: StoreResource,
    tracker: TrackerResource,
    progress: ProgressResource,
) -> dg.MaterializeResult:
    """Audit the images that have no audit under the present policy and corpus."""
    here = campaign.load()
    policy = read_policy(here.folder / "policy.yaml")
    with catalog.open().session() as session:
        corpus = current_corpus(session, here.name)
        policy_id = policy_row(session, policy).id
        waiting = _unaudited(session, context.partition_key, policy_id, corpus.id)
        rejudged = rejudge(session, [image.id for image, _ in waiting], policy, corpus.id, context.run.run_id)
        due = _unaudited(session, context.partition_key, policy_id, corpus.id)
        masks = {image.id: mask_of(session, image.id, segmenter_name(here)) for image, _ in due}
        works = session.scalars(select(Reference).where(Reference.campaign == here.name))
        reference_ids = {work.sha256: work.id for work in works}
    if not due:
        known = f"{len(rejudged)} images by their stored scores, all others" if rejudged else "every image is"
        work = f"none: {known} audited under this policy and corpus"
        return dg.MaterializeResult(metadata={"audits": 0, "rejudged": len(rejudged), "work": work})
    references, artifacts = _corpus_images(here, corpus), store.open()
    index = ReferenceIndex([reference.pixels for reference in references], embedders_of(policy))
    with catalog.open().session() as session:
        by_hash = {reference.sha256: reference for reference in references}
        earlier = carried_over(session, [image.id for image, _ in due], policy_id, corpus, by_hash)
    started, results = time.monotonic(), []
    for start in range(0, len(due), CHUNK):
        chunk = due[start : start + CHUNK]
        pictures = np.stack([artifacts.read_image(image.sha256) for image, _ in chunk])
        shapes = np.stack([_shape(artifacts, masks[image.id], pictures.shape[1:3]) for image, _ in chunk])
        lacking = _lacking([image for image, _ in chunk], earlier, shapes)
        against = references if lacking is None else [one for one in references if one.sha256 in lacking]
        searched = index if lacking is None else ReferenceIndex([one.pixels for one in against], embedders_of(policy))
        found = audit(pictures, against, policy, masks=shapes, labels=[text for _, text in chunk], index=searched)
        if lacking is not None:
            found = [
                replace(extended(earlier[image.id][0], one), label=one.label)
                for (image, _), one in zip(chunk, found, strict=True)
            ]
        with catalog.open().session() as session:
            for (image, _), result in zip(chunk, found, strict=True):
                _write(session, image.id, policy_id, corpus.id, result, reference_ids, context.run.run_id)
        results += [
            (image, picture, result) for (image, _), picture, result in zip(chunk, pictures, found, strict=True)
        ]
        progress.report(context, len(results), len(due), "audits")
    recall = planted_recall(references, policy, index, np.stack([picture for _, picture, _ in results[:CHUNK]]))
    return _report(context, here, tracker, results, len(rejudged), recall, time.monotonic() - started)


@dg.asset_check(
    asset=similarity_audits,
    partitions_def=prompt_batches,
    blocking=True,
    description="No candidate for release fails the policy. Failing candidates are drawn anew; those whose "
    "attempts are spent are quarantined, and then no longer hold the batch up.",
)
def ssim_below_threshold(
    context: dg.AssetCheckExecutionContext, campaign: CampaignResource, catalog: CatalogResource
) -> dg.AssetCheckResult:
    """Look up the verdicts on the batch's candidates under the present policy and corpus."""
    here = campaign.load()
    with catalog.open().session() as session:
        _, rules = present_rules(session, here)
        states = prompt_states(session, context.partition_key, rules)
    failing = [s for s in states if s.failing]
    quarantined = [s for s in states if s.quarantined]
    unaudited = [s for s in states if s.audit is None]
    scores = [s.audit.scores["ssim"] for s in states if s.audit and s.audit.scores["ssim"] is not None]
    said = [
        f"{len(states)} prompts: {len(failing)} failing, {len(quarantined)} quarantined, {len(unaudited)} not audited"
    ]
    said += [f"failing: {_line(s)}" for s in failing] + [f"quarantined: {_line(s)}" for s in quarantined]
    return dg.AssetCheckResult(
        passed=not failing and not unaudited,
        description="\n".join(said),
        metadata={"failing": len(failing), "quarantined": len(quarantined), "worst_ssim": max(scores, default=0.0)},
    )


def _line(state: PromptState) -> str:
    score = state.audit.scores["ssim"] if state.audit else None
    return f"{state.prompt.text} (attempt {state.candidate.attempt if state.candidate else '-'}, SSIM {score or 0:.3f})"


def _unaudited(session: Session, batch: str, policy_id: int, corpus_id: int) -> list[tuple[Image, str]]:
    audited = select(Audit.image_id).where(Audit.policy_id == policy_id, Audit.corpus_version_id == corpus_id)
    rows = session.execute(
        select(Image, Prompt.text)
        .join(Prompt)
        .where(Prompt.batch_key == batch, Image.id.not_in(audited))
        .order_by(Image.id)
    )
    return [(image, text) for image, text in rows]


def _corpus_images(campaign: Campaign, corpus: CorpusVersion) -> list[ReferenceImage]:
    found, _ = read_references(campaign.folder / "references")
    present = [reference for reference in found if reference.sha256 in set(corpus.members)]
    if len(present) != len(corpus.members) or len(found) != len(present):
        raise dg.Failure(
            f"{campaign.folder / 'references'} has changed since the corpus was read; materialize reference_corpus",
            allow_retries=False,
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
        image_id=image_id, policy_id=policy_id, corpus_version_id=corpus_id,
        verdict=result.verdict, reasons=result.reasons,
        nearest_reference_id=ids[result.nearest.sha256] if result.nearest else None, scores=result.scores,
        thresholds=result.thresholds, versions=result.versions, run_id=run_id,
    )  # fmt: skip
    session.add(row)
    session.flush()
    for match in result.matches:
        scores = {
            key: value for key, value in asdict(match).items() if key not in ("reference_sha256", "rank", "transform")
        }
        session.add(AuditMatch(
            audit_id=row.id, reference_id=ids[match.reference_sha256], rank=match.rank, scores=scores,
            transform=match.transform,
        ))  # fmt: skip


def _report(
    context: dg.AssetExecutionContext,
    campaign: Campaign,
    tracker: TrackerResource,
    results: list[tuple[Image, np.ndarray, AuditResult]],
    rejudged: int,
    recall: PlantedRecall,
    seconds: float,
) -> dg.MaterializeResult:
    verdicts = [result.verdict for _, _, result in results]
    figures = {f"verdict_{v}": float(verdicts.count(v)) for v in ("pass", "review", "fail", "inconclusive")}
    for stage in ("generated", "regenerated"):
        scores = [r.scores["ssim"] for image, _, r in results if image.stage == stage and r.scores["ssim"] is not None]
        if scores:
            figures |= {f"worst_ssim_{stage}": float(max(scores)), f"ssim_95_{stage}": float(np.percentile(scores, 95))}
    figures |= {
        "planted_copies": float(recall.copies),
        "planted_recall": recall.found / recall.copies,
        "planted_candidate_recall": recall.candidates / recall.copies,
        "search_recall": recall.search,
        "seconds": seconds,
    }
    url = tracker.record(context, f"twig-assets/{campaign.name}/audits", {**figures, "audits": float(len(results))})
    worst = sorted(results, key=lambda r: -(r[2].scores["ssim"] or 0.0))
    rows = [
        (
            f"{result.verdict}: {result.reasons[0]} ({result.label})",
            [picture, result.nearest.pixels] if result.nearest else [picture],
        )
        for _, picture, result in worst
    ]
    return dg.MaterializeResult(
        metadata={
            **figures,
            "audits": len(results),
            "rejudged": rejudged,
            "planted_missed": dg.MetadataValue.md("\n".join(f"- {one}" for one in recall.missed) or "none"),
            "exact_search": recall.exact,
            "mlflow": dg.MetadataValue.url(url),
            "nearest": gallery(rows),
        }
    )
