"""The asset `composed_model`: the checkpoint with all accepted edits, which is the model that serves."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from twig_assets.assets.ablated_models import ablated_models, summary_table
from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.partitions import all_campaigns
from twig_assets.campaign import Campaign
from twig_assets.catalog.edits import by_decisions, edits_for_base, keep_model, models_of
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import ConceptEdit, Model
from twig_assets.resources import (
    CampaignsResource,
    CatalogResource,
    ModelResource,
    ProgressResource,
    StoreResource,
    TrackerResource,
)
from twig_assets.settings.refused_edits import EditSettings
from twig_assets.similarity import read_part

if TYPE_CHECKING:  # it loads torch
    from twig_assets.ablation import ConceptEdit as Edit


@dg.asset(
    config_schema={},
    partitions_def=all_campaigns,
    deps=[ablated_models],
    group_name="model",
    owners=["team:ml"],
    kinds={"pytorch"},
    pool="gpu",
    description="The checkpoint with the accepted edits of all protected concepts; one that was refused stops it, "
    "unless the policy or a person lets it go on. Closed forms are solved together, "
    "text encoders distilled together, fine-tunings added up; all but closed forms are then judged together. Images "
    "name the model by the hash of its weights and edits.",
)
@one_run_at_a_time
def composed_model(
    context: dg.AssetExecutionContext,
    campaigns: CampaignsResource,
    catalog: CatalogResource,
    store: StoreResource,
    models: ModelResource,
    tracker: TrackerResource,
    progress: ProgressResource,
) -> dg.MaterializeResult:
    """Name the combination of checkpoint and accepted edits.

    Raises:
        dg.Failure: If an edit was refused, unless the policy or a person lets the campaign go on.
    """
    from twig_assets.ablation import ConceptEdit as Edit

    settings, rows, artifacts = campaigns.load(context.partition_key), catalog.open(), store.open()
    pipeline, base_sha256 = models.base(settings)
    with rows.session() as session:
        policy = read_part(settings.policy_file, EditSettings)
        edits = by_decisions(session, edits_for_base(session, settings.name, settings.model_name, base_sha256), policy)
        weights = sorted(edit.weights_sha256 for edit in edits if edit.accepted)
        known = models_of(session, settings.model_name, base_sha256, weights)
        names = _names(edits)
        stopping = _stopping(edits, policy)
    if stopping:
        raise dg.Failure(_why_it_stops(stopping, settings), allow_retries=False)
    model = next((m for m in known if not m.joint_sha256 or artifacts.exists(m.joint_sha256, "safetensors")), None)
    figures: dict[str, dg.MetadataValue] = {}
    if model is None:
        parts = [Edit.from_bytes(artifacts.read(key, "safetensors")) for key in weights]
        joint, figures = _compose(context, settings, pipeline, models, tracker, parts, progress)
        joint_sha256 = artifacts.put_bytes(joint.to_bytes(), "safetensors") if joint else None
        model = Model(checkpoint=settings.model_name, base_sha256=base_sha256, edits=weights, joint_sha256=joint_sha256)
        model.sha256 = sha256_of(model.content)
        with rows.session() as session:
            keep_model(session, model)
    return _result(context, model, names, figures)


def _names(edits: list[ConceptEdit]) -> dict[bool, list[str]]:
    """The concepts whose edits were accepted (True), and those whose edits were refused (False), with the reasons."""
    refused = [f"{e.concept.name} ({'; '.join(e.evaluation.get('refusals', ()))})" for e in edits if not e.accepted]
    return {True: [edit.concept.name for edit in edits if edit.accepted], False: refused}


def _stopping(edits: list[ConceptEdit], policy: EditSettings) -> dict[str, str]:
    """Each concept without which the campaign may not go on -> the hash of its edit, and why that was refused."""
    if policy.refused == "leave_out":
        return {}
    refused = [edit for edit in edits if not edit.accepted and policy.decided(edit.weights_sha256) is None]
    return {
        edit.concept.name: f"edit {edit.weights_sha256[:12]}: {'; '.join(edit.evaluation.get('refusals', ()))}"
        for edit in refused
    }


def _why_it_stops(stopping: dict[str, str], campaign: Campaign) -> str:
    reasons = "\n".join(f"- {name}, {why}" for name, why in stopping.items())
    return (
        f"{len(stopping)} of the campaign's edits {'was' if len(stopping) == 1 else 'were'} refused, so what should be "
        f"removed can still be drawn:\n"
        f"{reasons}\nLook at the images before and after on the page of ablated_models. Then change `ablation:` or the "
        f"concept; or decide in {campaign.policy_file}, under `edits:`. There, `refused: leave_out` goes on without "
        f"every such edit, and `decisions: [{{edit: HASH, use: true, by: YOUR NAME, reason: WHY}}]` uses one all the "
        f"same (`use: false` goes on without it)"
    )


def _compose(
    context: dg.AssetExecutionContext,
    campaign: Campaign,
    pipeline: Any,
    models: ModelResource,
    tracker: TrackerResource,
    edits: "list[Edit]",
    progress: ProgressResource,
) -> "tuple[Edit | None, dict[str, dg.MetadataValue]]":
    """Train several edits together where their method needs it, and judge what was trained by the gate.

    Returns:
        The edit that replaces all of them, None where they compose exactly; and figures to show.

    Raises:
        dg.Failure: If the gate refuses them together, although it accepted each.
    """
    from twig_assets.ablation import compose, evaluate

    if len(edits) < 2 or not any(part.deltas for edit in edits for part in edit.parts):
        return None, {}
    losses: list[float] = []
    report = progress.steps(context, edits[0].settings.training_steps * sum(len(edit.concepts) for edit in edits))

    def step(done: int, loss: float) -> None:
        losses.append(loss)
        report(done, loss)

    edit = compose(edits, pipeline, step)
    evaluation = evaluate(
        pipeline,
        edit,
        models.clip(campaign),
        campaign.generation,
        on_drawn=lambda what, done, total: progress.report(context, done, total, what),
    )
    link = tracker.record(
        context,
        f"twig-assets/{campaign.name}/ablation",
        {**{name: figure.value for name, figure in evaluation.summary().items()}, "accepted": evaluation.accepted},
        {"concept": ", ".join(concept.name for concept in edit.concepts), "method": edit.settings.method},
        curves={"loss": losses} if losses else None,
    )
    figures: dict[str, dg.MetadataValue] = {"together": summary_table(evaluation), "mlflow": link}
    if not evaluation.accepted:
        raise dg.Failure(
            f"each edit was accepted, all together are refused: {'; '.join(evaluation.refusals)}. For fast, raise "
            "ablation.distillation.steps; fine-tuned edits are added up, which is not exact",
            metadata=figures,
            allow_retries=False,
        )
    return edit if edit.joint else None, figures


def _result(
    context: dg.AssetExecutionContext, model: Model, names: dict[bool, list[str]], figures: dict[str, dg.MetadataValue]
) -> dg.MaterializeResult:
    warning = f"not in the model, as their edits were refused: {'; '.join(names[False])}"
    if names[False]:
        context.log.warning(warning)
    return dg.MaterializeResult(
        metadata={
            **({"warning": warning} if names[False] else {}),
            "checkpoint": model.checkpoint,
            "edits": ", ".join(names[True]) or "none",
            "refused": ", ".join(names[False]) or "none",
            "sha256": model.sha256,
            **figures,
        },
        data_version=dg.DataVersion(model.sha256),
    )
