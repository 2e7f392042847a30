"""The asset `similarity_audits` and the checks that gate what is released."""

from collections.abc import Iterator

import dagster as dg
import numpy as np

from twig_assets.assets.reference_corpus import reference_corpus
from twig_assets.assets.regenerated_images import regenerated_images
from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.failures import gate
from twig_assets.assets.shared.kept import kept_audits
from twig_assets.assets.shared.lines import described, listed
from twig_assets.assets.shared.partitions import prompt_batches
from twig_assets.assets.shared.thumbnails import SHOWN, gallery, sheet
from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import rules_in_force
from twig_assets.campaign.unread_works import unread_works
from twig_assets.catalog.models import Prompt
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.adherence import judge_images
from twig_assets.compliance.auditing import Audited, audit_images
from twig_assets.compliance.candidates import PromptState, prompt_states
from twig_assets.compliance.held import accept_step, not_compared
from twig_assets.resources import (
    CampaignsResource,
    CatalogResource,
    EngineResource,
    ModelResource,
    ProgressResource,
    StoreResource,
    TrackerResource,
)

_NEXT = (
    "This is the gate at work, and no error. What failed is drawn again in the next run of the batch, which `twig run` "
    "or the sensor `ssim_violations` starts; the check names the images."
)


@dg.asset(
    config_schema={},
    partitions_def=prompt_batches,
    deps=[regenerated_images, reference_corpus],
    group_name="audit",
    owners=["team:legal"],
    kinds={"scikitimage", "mlflow"},
    pool="cpu",
    description="Every image of the batch, first and second, against every protected work: SSIM in eight orientations, "
    "whole and inside the mask, and detectors that find crops, turns, recoloured and pasted copies. Copies planted in "
    "every run measure what is found. A verdict is an opinion about similarity, not about infringement.",
)
@one_run_at_a_time
def similarity_audits(
    context: dg.AssetExecutionContext,
    campaigns: CampaignsResource,
    catalog: CatalogResource,
    store: StoreResource,
    tracker: TrackerResource,
    progress: ProgressResource,
    models: ModelResource,
    engine: EngineResource,
) -> dg.MaterializeResult:
    """Audit the images that have no audit under the policy and corpus in force, and judge whether they are as asked."""
    settings = campaigns.of_batch(context.partition_key)
    of_batch = Prompt.batch_key == context.partition_key
    reporter = progress.reporter(context, "audits")
    with engine.opened() as opened:
        audited = audit_images(settings, catalog.open(), store.open(), of_batch, context.run.run_id, reporter, opened)
    judged = judge_images(
        settings, catalog.open(), store.open(), of_batch, context.run.run_id, lambda: models.judge(settings)
    )
    if audited.results:
        return _result(context, settings, tracker, store.open(), audited)
    known = f"{audited.rejudged} images by their stored scores, all others" if audited.rejudged else "every image is"
    work = f"none: {known} audited under this policy and corpus"
    nearest = kept_audits(context.partition_key, settings, catalog.open(), store.open())
    counts = {"audits": 0, "rejudged": audited.rejudged, "judged": judged, "audited_without_allowed": audited.allowed}
    return dg.MaterializeResult(metadata={**counts, "work": work, "nearest": nearest})


@dg.asset_check(  # type: ignore[arg-type]  # It takes functions that yield, too; its annotation does not say so.
    asset=similarity_audits,
    partitions_def=prompt_batches,
    blocking=True,
    description="Every prompt has an image that passes the policy and shows what was asked, or its attempts are spent: "
    "then it is quarantined, or waits for a person, and no longer holds the batch up.",
)
def ssim_below_threshold(
    context: dg.AssetCheckExecutionContext, campaigns: CampaignsResource, catalog: CatalogResource
) -> Iterator[dg.AssetCheckResult]:
    """Look up the verdicts on the batch's candidates under the policy and corpus in force."""
    with catalog.open().session() as session:
        _, rules = rules_in_force(session, campaigns.of_batch(context.partition_key))
        states = prompt_states(session, context.partition_key, rules)
    failing = [s for s in states if s.failing]
    quarantined = [s for s in states if s.quarantined]
    unaudited = [s for s in states if s.audit is None or s.adherence is None]
    scores = [s.audit.scores["ssim"] for s in states if s.audit and s.audit.scores["ssim"] is not None]
    lines = [
        f"{len(states)} prompts: {len(failing)} failing, {len(quarantined)} quarantined, {len(unaudited)} not audited"
    ]
    lines += [f"failing: {_line(s)}" for s in failing] + [f"quarantined: {_line(s)}" for s in quarantined]
    result = dg.AssetCheckResult(
        passed=not failing and not unaudited,
        description=described(lines),
        metadata={"failing": len(failing), "quarantined": len(quarantined), "worst_ssim": max(scores, default=0.0)},
    )
    yield from gate(result, f"The gate is closed, so nothing more of this batch is released: {lines[0]}. {_NEXT}")


@dg.asset_check(  # type: ignore[arg-type]  # It takes functions that yield, too; its annotation does not say so.
    asset=similarity_audits,
    partitions_def=prompt_batches,
    blocking=True,
    description="Every work that is listed or lies in the folder was compared, in all its frames, or a person or the "
    "policy accepts that it was not. Until then nothing more is released.",
)
def every_work_compared(
    context: dg.AssetCheckExecutionContext, campaigns: CampaignsResource, catalog: CatalogResource
) -> Iterator[dg.AssetCheckResult]:
    """List what nothing is compared with, as the corpus was read last."""
    settings = campaigns.of_batch(context.partition_key)
    with catalog.open().session() as session:
        unread = unread_works(session, settings)
    holding = [work for work in unread if work.accepted is None]
    accepted = [work for work in unread if work.accepted is not None]
    lines = [f"{not_compared([work.file for work in holding])}; {accept_step(settings.name)}"] if holding else []
    lines += [work.sentence for work in holding]
    lines += [f"accepted ({work.accepted}): {work.sentence}" for work in accepted]
    result = dg.AssetCheckResult(
        passed=not holding,
        description=described(lines) or "every work was compared",
        metadata={"holding": len(holding), "accepted": len(accepted)},
    )
    yield from gate(result, f"Nothing more is released: {lines[0] if lines else ''}.")


def _line(state: PromptState) -> str:
    score = state.audit.scores["ssim"] if state.audit else None
    return f"{state.prompt.text} (attempt {state.candidate.attempt if state.candidate else '-'}, SSIM {score or 0:.3f})"


def _result(
    context: dg.AssetExecutionContext,
    campaign: Campaign,
    tracker: TrackerResource,
    store: ArtifactStore,
    audited: Audited,
) -> dg.MaterializeResult:
    """Keep the figures in MLflow; what the Dagster page shows, the worst images first."""
    figures = _figures(audited)
    worst = sorted(audited.results, key=lambda row: -(row[1].scores["ssim"] or 0.0))
    rows = [
        (
            f"{result.verdict}: {result.reasons[0]} ({result.label})",
            [store.read_image(image.sha256), *([result.nearest.pixels] if result.nearest else [])],
        )
        for image, result in worst[:SHOWN]
    ]
    link = tracker.record(
        context,
        f"twig-assets/{campaign.name}/audits",
        {**figures, "audits": float(len(audited.results))},
        pictures={"nearest.png": sheet([pictures for _, pictures in rows])},
        captions=[caption for caption, _ in rows],
        each=f"the image, and the work that it comes nearest to; the {len(rows)} highest scores of {len(worst)} images",
    )
    return dg.MaterializeResult(
        metadata={
            **figures,
            "audits": len(audited.results),
            "rejudged": audited.rejudged,
            "audited_without_allowed": audited.allowed,
            "planted_missed": listed(audited.recall.missed if audited.recall else []),
            "exact_search": audited.recall is None or audited.recall.exact,
            "mlflow": link,
            "nearest": gallery(rows, of=len(worst)),
        }
    )


def _figures(audited: Audited) -> dict[str, float]:
    """How many images have which verdict, the highest scores, and what the planted copies say of the search."""
    verdicts = [result.verdict for _, result in audited.results]
    figures = {f"verdict_{v}": float(verdicts.count(v)) for v in ("pass", "review", "fail", "inconclusive")}
    for stage in ("generated", "regenerated"):
        scores = [result.scores["ssim"] for image, result in audited.results if image.stage == stage]
        known = [score for score in scores if score is not None]
        if known:
            figures |= {f"worst_ssim_{stage}": float(max(known)), f"ssim_95_{stage}": float(np.percentile(known, 95))}
    if recall := audited.recall:
        figures |= {
            "planted_copies": float(recall.copies),
            "planted_recall": recall.found / recall.copies,
            "planted_candidate_recall": recall.candidates / recall.copies,
            "search_recall": recall.search,
        }
    return {**figures, "seconds": audited.seconds}
