"""The asset `ablated_models`: one concept edit per protected concept, with its own evaluation."""

import shutil
import time

import dagster as dg
import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.ablation import ConceptEdit as Edit
from twig_assets.ablation import ConceptTarget, Evaluation, ablate, evaluate
from twig_assets.ablation.evaluation.evaluate import Unedited, copy_test
from twig_assets.ablation.training_state import identity_of
from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.partitions import concepts
from twig_assets.assets.shared.thumbnails import gallery, sheet
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import Concept, ConceptEdit
from twig_assets.resources import CampaignResource, CatalogResource, ModelResource, StoreResource, TrackerResource
from twig_assets.settings.home import trainings_folder
from twig_assets.tracking.record import RecordedEdit

_SHOWN = 8


@dg.asset(
    partitions_def=concepts,
    deps=["protected_concepts"],
    group_name="model",
    owners=["team:ml"],
    kinds={"pytorch", "mlflow"},
    description="An edit of the cross-attention weights that makes a concept's prompts draw its anchor instead, with "
    "figures from before and after. An edit that its gate refuses is kept but not accepted.",
)
@one_run_at_a_time
def ablated_models(
    context: dg.AssetExecutionContext,
    campaign: CampaignResource,
    catalog: CatalogResource,
    store: StoreResource,
    models: ModelResource,
    tracker: TrackerResource,
) -> dg.MaterializeResult:
    """Compute and evaluate the partition's edit, unless the catalog has it for this model and these settings."""
    here = campaign.load()
    with catalog.open().session() as session:
        concept_id, target = _concept(session, here.name, context.partition_key)
    pipeline, base_sha256 = models.base(here)
    settings = {
        "ablation": here.ablation.model_dump(mode="json"),
        "concept": target.model_dump(mode="json"),
        "generation": here.generation.model_dump(mode="json"),
    }
    with catalog.open().session() as session:
        done = _finished(session, concept_id, base_sha256, sha256_of(settings))
    if done is not None and store.open().exists(done.weights_sha256, "safetensors"):
        with catalog.open().session() as session:
            _make_newest(session, done)
        return dg.MaterializeResult(
            metadata={"model_work": "none: this edit is in the catalog already", "accepted": done.accepted},
            data_version=dg.DataVersion(done.weights_sha256),
        )
    started = time.monotonic()
    known: Unedited = {}
    losses: list[float] = []
    is_copy = copy_test(pipeline, target, here.ablation.evaluation, here.generation, known)
    trainings = trainings_folder() / context.partition_key
    edit = ablate(
        pipeline,
        target,
        here.ablation,
        base_sha256,
        is_copy=is_copy,
        on_step=lambda _, loss: losses.append(loss),
        folder=trainings / identity_of(target, here.ablation, base_sha256),
    )
    copies = {target.name: is_copy} if is_copy else None
    evaluation = evaluate(pipeline, edit, models.clip(), here.generation, copies=copies, unedited=known)
    seconds = time.monotonic() - started
    weights = store.open().put_bytes(edit.to_bytes(), "safetensors")
    with catalog.open().session() as session:
        session.add(
            ConceptEdit(
                concept_id=concept_id,
                base_sha256=base_sha256,
                method=here.ablation.method,
                settings=settings,
                settings_sha256=sha256_of(settings),
                weights_sha256=weights,
                evaluation=evaluation.model_dump(mode="json"),
                accepted=evaluation.accepted,
                seconds=seconds,
            )
        )
    shutil.rmtree(trainings, ignore_errors=True)
    return _result(context, tracker, here.name, edit, evaluation, weights, seconds, losses)


def _result(
    context: dg.AssetExecutionContext,
    tracker: TrackerResource,
    campaign: str,
    edit: Edit,
    evaluation: Evaluation,
    weights: str,
    seconds: float,
    losses: list[float],
) -> dg.MaterializeResult:
    """Keep the figures and the edit in MLflow, and what the Dagster page shows."""
    [concept] = edit.concepts
    summary = {name: figure.value for name, figure in evaluation.summary().items()}
    before, after = (images[:_SHOWN] for images in (evaluation.before, evaluation.after) if images is not None)
    link = tracker.record(
        context,
        f"twig-assets/{campaign}/ablation",
        {**summary, "seconds": seconds, "accepted": evaluation.accepted},
        {"concept": concept.name, "method": edit.settings.method, "target": concept.target, "anchor": concept.anchor},
        {"before-after.png": sheet(np.concatenate([before, after]), len(before))},
        curves={"loss": losses} if losses else None,
        edit=RecordedEdit(model=f"{campaign}.{concept.name}", content=edit.to_bytes(), accepted=evaluation.accepted),
    )
    refused = {"refused": dg.MetadataValue.md("\n".join(f"- {why}" for why in evaluation.refusals))}
    return dg.MaterializeResult(
        metadata={
            "accepted": evaluation.accepted,
            **({} if evaluation.accepted else refused),
            **summary,
            "seconds": seconds,
            "mlflow": link,
            "summary": summary_table(evaluation),
            "figures": _table(evaluation),
            "before and after": gallery([("before", list(before)), ("after", list(after))]),
        },
        data_version=dg.DataVersion(weights),
    )


@dg.asset_check(
    asset=ablated_models,
    partitions_def=concepts,
    description="The newest edit of the concept passed its gate; if not, the figures that failed.",
)
def edit_accepted(
    context: dg.AssetCheckExecutionContext, campaign: CampaignResource, catalog: CatalogResource
) -> dg.AssetCheckResult:
    """Look up whether the newest edit of the partition's concept was accepted."""
    here = campaign.load()
    with catalog.open().session() as session:
        concept_id, _ = _concept(session, here.name, context.partition_key)
        edit = session.scalars(
            select(ConceptEdit).where(ConceptEdit.concept_id == concept_id).order_by(ConceptEdit.id.desc()).limit(1)
        ).one()
    why = "; ".join(edit.evaluation.get("refusals", ()))
    return dg.AssetCheckResult(
        passed=edit.accepted,
        severity=dg.AssetCheckSeverity.WARN,
        description="every figure is within its limit" if edit.accepted else f"refused: {why}",
    )


def _concept(session: Session, campaign: str, partition: str) -> tuple[int, ConceptTarget]:
    name = partition.removeprefix(f"{campaign}.")
    row = session.scalars(select(Concept).where(Concept.campaign == campaign, Concept.name == name)).first()
    if row is None:
        raise dg.Failure(f"campaign {campaign!r} has no concept {name!r}; materialize protected_concepts first")
    fields = ("name", "target", "anchor", "kind", "aliases", "preserve")
    return row.id, ConceptTarget.model_validate({field: getattr(row, field) for field in fields})


def _finished(session: Session, concept_id: int, base_sha256: str, settings_sha256: str) -> ConceptEdit | None:
    return session.scalars(
        select(ConceptEdit)
        .where(
            ConceptEdit.concept_id == concept_id,
            ConceptEdit.base_sha256 == base_sha256,
            ConceptEdit.settings_sha256 == settings_sha256,
        )
        .order_by(ConceptEdit.id.desc())
        .limit(1)
    ).first()


def _make_newest(session: Session, edit: ConceptEdit) -> None:
    """Add the edit's row again if it is not the newest, as after a change and back: a concept's newest edit serves."""
    newest = select(ConceptEdit.id).where(ConceptEdit.concept_id == edit.concept_id).order_by(ConceptEdit.id.desc())
    if session.scalars(newest.limit(1)).one() == edit.id:
        return
    kept = [c.key for c in ConceptEdit.__table__.columns if c.key not in ("id", "created_at")]
    session.add(ConceptEdit(**{key: getattr(edit, key) for key in kept}))


def summary_table(evaluation: Evaluation) -> dg.MarkdownMetadataValue:
    """The summaries of an evaluation with their intervals, as Dagster's page shows them."""
    lines = [
        f"| {name.replace('_', ' ')} | {figure.value:.3f} | {figure.low:.3f} to {figure.high:.3f} | {figure.n} |"
        for name, figure in evaluation.summary().items()
    ]
    return dg.MetadataValue.md("\n".join(["| figure | value | 95 % interval | images |", "|---|---|---|---|", *lines]))


def _table(evaluation: Evaluation) -> dg.MarkdownMetadataValue:
    lines = [
        f"| {f.role} | {f.prompt} | {f.n} | {f.accuracy_before:.0%} "
        f"| {f.accuracy_after:.0%} ({f.accuracy_interval[0]:.0%} to {f.accuracy_interval[1]:.0%}) "
        f"| {f.score_before:.2f} | {f.score_after:.2f} | {'' if f.kid is None else format(f.kid.value, '.3f')} |"
        for f in evaluation.figures
    ]
    head = [
        "| role | prompt | images | CLIP accuracy before | after | CLIP score before | after | KID |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return dg.MetadataValue.md("\n".join([*head, *lines]))
