"""The asset `ablated_models`: one concept edit per protected concept, with its own evaluation."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.lines import described, listed, table
from twig_assets.assets.shared.partitions import concepts
from twig_assets.assets.shared.thumbnails import gallery, sheet
from twig_assets.campaign import Campaign
from twig_assets.campaign.missing import edit_settings
from twig_assets.catalog.edits import concept_target, finished_edit, make_newest, newest_edit
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import ConceptEdit
from twig_assets.catalog.store import ArtifactStore
from twig_assets.engines import Engine, Shard
from twig_assets.resources import (
    CampaignsResource,
    CatalogResource,
    EngineResource,
    ModelResource,
    ProgressResource,
    StoreResource,
    TrackerResource,
)
from twig_assets.settings.ablation import ConceptTarget
from twig_assets.settings.home import trainings_folder
from twig_assets.tracking.record import RecordedEdit

if TYPE_CHECKING:  # it loads torch
    from twig_assets.ablation import ConceptEdit as Edit
    from twig_assets.ablation import Evaluation
    from twig_assets.ablation.evaluation.evaluate import OnDrawn

_SHOWN = 8


@dataclass(frozen=True, eq=False)
class _Ablation:
    """An edit that was computed, judged and kept.

    Attributes:
        edit: The edit.
        evaluation: Its evaluation.
        losses: The loss of every step of a training; empty for other methods.
        seconds: How long all of it took.
        weights_sha256: Hash of its file in the artifact store.
    """

    edit: "Edit"
    evaluation: "Evaluation"
    losses: list[float]
    seconds: float
    weights_sha256: str


@dg.asset(
    config_schema={},
    partitions_def=concepts,
    deps=["protected_concepts"],
    group_name="model",
    owners=["team:ml"],
    kinds={"pytorch", "mlflow"},
    pool="gpu",
    description="An edit of the cross-attention weights that makes a concept's prompts draw its anchor instead, with "
    "figures from before and after. An edit that its gate refuses, or that nobody judged, is kept but not accepted.",
)
@one_run_at_a_time
def ablated_models(
    context: dg.AssetExecutionContext,
    campaigns: CampaignsResource,
    catalog: CatalogResource,
    store: StoreResource,
    models: ModelResource,
    tracker: TrackerResource,
    progress: ProgressResource,
    engine: EngineResource,
) -> dg.MaterializeResult:
    """Compute and evaluate the partition's edit, unless the catalog has it for this model and these settings."""
    settings, rows = campaigns.of_concept(context.partition_key), catalog.open()
    with rows.session() as session:
        concept_id, target = concept_target(session, settings.name, _concept(settings, context.partition_key))
    pipeline, base_sha256 = models.base(settings)
    with rows.session() as session:
        finished = finished_edit(session, concept_id, base_sha256, sha256_of(edit_settings(settings, target)))
    if finished is not None and store.open().exists(finished.weights_sha256, "safetensors"):
        with rows.session() as session:
            make_newest(session, finished)
        return dg.MaterializeResult(
            metadata={"model_work": "none: this edit is in the catalog already", "accepted": finished.accepted},
            data_version=dg.DataVersion(finished.weights_sha256),
        )
    bars = (
        progress.steps(context, settings.ablation.training_steps),
        lambda what, done, total: progress.report(context, done, total, what),
    )
    with engine.elsewhere() as elsewhere:
        ablation = _ablate(pipeline, target, settings, base_sha256, models, store.open(), elsewhere, *bars)
    with rows.session() as session:
        session.add(_row(ablation, settings, target, concept_id, base_sha256))
    shutil.rmtree(_trainings(settings, target), ignore_errors=True)
    return _result(context, tracker, settings.name, ablation)


@dg.asset_check(
    asset=ablated_models,
    partitions_def=concepts,
    description="The newest edit of the concept passed its gate; if not, the figures that failed.",
)
def edit_accepted(
    context: dg.AssetCheckExecutionContext, campaigns: CampaignsResource, catalog: CatalogResource
) -> dg.AssetCheckResult:
    """Look up whether the newest edit of the partition's concept was accepted."""
    settings = campaigns.of_concept(context.partition_key)
    with catalog.open().session() as session:
        concept_id, _ = concept_target(session, settings.name, _concept(settings, context.partition_key))
        edit = newest_edit(session, concept_id)
    refusals = "; ".join(edit.evaluation.get("refusals", ())) if edit else "no edit has been made"
    accepted = edit is not None and edit.accepted
    return dg.AssetCheckResult(
        passed=accepted,
        severity=dg.AssetCheckSeverity.WARN,
        description="every figure is within its limit" if accepted else described([f"refused: {refusals}"]),
    )


def _concept(campaign: Campaign, partition: str) -> str:
    """The name of the concept that a partition is of."""
    return partition.removeprefix(f"{campaign.name}.")


def _trainings(campaign: Campaign, target: ConceptTarget) -> Path:
    """Where an interrupted training of a concept leaves its state."""
    return trainings_folder() / f"{campaign.name}.{target.name}"


def _ablate(
    pipeline: Any,
    target: ConceptTarget,
    campaign: Campaign,
    base_sha256: str,
    models: ModelResource,
    store: ArtifactStore,
    engine: Engine | None,
    on_step: Callable[[int, float], None],
    on_drawn: "OnDrawn",
) -> _Ablation:
    """Compute and judge the edit, here or by an engine's worker, and put its file into the store."""
    from twig_assets.ablation import ConceptEdit as Edit
    from twig_assets.compliance.ablating import AblationOrder, Unedited, ablated, ablation_context

    started = time.monotonic()
    order = AblationOrder(target, campaign.ablation, campaign.generation, _trainings(campaign, target))
    if engine is None:
        unedited = Unedited(pipeline, base_sha256, lambda: models.clip(campaign), models.text_vectors(campaign))
        made = ablated(unedited, order, on_step, on_drawn)
    else:
        context = ablation_context(campaign, base_sha256)
        [made] = engine.map(ablated, [Shard(f"concept {target.name}", order)], context)
    edit, seconds = Edit.from_bytes(made.weights), time.monotonic() - started
    return _Ablation(edit, made.evaluation, made.losses, seconds, store.put_bytes(made.weights, "safetensors"))


def _row(
    ablation: _Ablation, campaign: Campaign, target: ConceptTarget, concept_id: int, base_sha256: str
) -> ConceptEdit:
    made_with = edit_settings(campaign, target)
    return ConceptEdit(
        concept_id=concept_id,
        base_sha256=base_sha256,
        method=campaign.ablation.method,
        settings=made_with,
        settings_sha256=sha256_of(made_with),
        weights_sha256=ablation.weights_sha256,
        evaluation=ablation.evaluation.model_dump(mode="json"),
        accepted=ablation.evaluation.accepted,
        seconds=ablation.seconds,
    )


def _result(
    context: dg.AssetExecutionContext, tracker: TrackerResource, campaign: str, ablation: _Ablation
) -> dg.MaterializeResult:
    """Keep the figures and the edit in MLflow, and what the Dagster page shows."""
    edit, evaluation = ablation.edit, ablation.evaluation
    [concept] = edit.concepts
    summary = {name: figure.value for name, figure in evaluation.summary().items()}
    before, after = (images[:_SHOWN] for images in (evaluation.before, evaluation.after) if images is not None)
    link = tracker.record(
        context,
        f"twig-assets/{campaign}/ablation",
        {**summary, "seconds": ablation.seconds, "accepted": evaluation.accepted},
        {"concept": concept.name, "method": edit.settings.method, "target": concept.target, "anchor": concept.anchor},
        {"before-after.png": sheet(list(zip(before, after, strict=True)))},
        curves={"loss": ablation.losses} if ablation.losses else None,
        each=f"what the model draws for {concept.target!r} before and after",
        edit=RecordedEdit(model=f"{campaign}.{concept.name}", content=edit.to_bytes(), accepted=evaluation.accepted),
    )
    refused = {"refused": listed(evaluation.refusals)}
    return dg.MaterializeResult(
        metadata={
            "accepted": evaluation.accepted,
            **({} if evaluation.accepted else refused),
            **summary,
            "seconds": ablation.seconds,
            "mlflow": link,
            "summary": summary_table(evaluation),
            "figures": _table(evaluation),
            "before and after": gallery([("before", list(before)), ("after", list(after))]),
        },
        data_version=dg.DataVersion(ablation.weights_sha256),
    )


def summary_table(evaluation: "Evaluation") -> dg.MarkdownMetadataValue:
    """The summaries of an evaluation with their intervals, as Dagster's page shows them."""
    rows = (
        (name.replace("_", " "), f"{figure.value:.3f}", f"{figure.low:.3f} to {figure.high:.3f}", figure.n)
        for name, figure in evaluation.summary().items()
    )
    return table(("figure", "value", "95 % interval", "images"), rows)


def _table(evaluation: "Evaluation") -> dg.MarkdownMetadataValue:
    head = ("role", "prompt", "images", "CLIP accuracy before", "after", "CLIP score before", "after", "KID")
    rows = (
        (
            f.role,
            f.prompt,
            f.n,
            f"{f.accuracy_before:.0%}",
            f"{f.accuracy_after:.0%} ({f.accuracy_interval[0]:.0%} to {f.accuracy_interval[1]:.0%})",
            f"{f.score_before:.2f}",
            f"{f.score_after:.2f}",
            "" if f.kid is None else f"{f.kid.value:.3f}",
        )
        for f in evaluation.figures
    )
    return table(head, rows)
