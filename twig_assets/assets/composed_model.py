"""The asset `composed_model`: the checkpoint with all accepted edits, which is the model that serves."""

import dagster as dg
from sqlalchemy import select

from twig_assets.ablation import ConceptEdit as Edit
from twig_assets.ablation import compose, evaluate
from twig_assets.assets.ablated_models import ablated_models, summary_table
from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.campaign import Campaign
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import Model
from twig_assets.catalog.serving import newest_edits, unedited_concepts
from twig_assets.resources import CampaignResource, CatalogResource, ModelResource, StoreResource, TrackerResource


@dg.asset(
    deps=[ablated_models],
    group_name="model",
    owners=["team:ml"],
    kinds={"pytorch"},
    description="The checkpoint with the accepted edits of all protected concepts. Closed forms are solved together, "
    "text encoders distilled together, fine-tunings added up; all but closed forms are then judged together. Images "
    "name the model by the hash of its weights and edits.",
)
@one_run_at_a_time
def composed_model(
    context: dg.AssetExecutionContext,
    campaign: CampaignResource,
    catalog: CatalogResource,
    store: StoreResource,
    models: ModelResource,
    tracker: TrackerResource,
) -> dg.MaterializeResult:
    """Name the combination of checkpoint and accepted edits; edits that were refused are left out and named."""
    here = campaign.load()
    _, base_sha256 = models.base(here)
    artifacts = store.open()
    with catalog.open().session() as session:
        edits = newest_edits(session, here.name)
        stale = unedited_concepts(session, here.name) + [e.concept.name for e in edits if e.base_sha256 != base_sha256]
        if stale:
            partitions = ", ".join(f"{here.name}.{name}" for name in sorted(stale))
            raise dg.Failure(
                f"these concepts have no edit for checkpoint {here.checkpoint!r}; materialize ablated_models for "
                f"{partitions}",
                allow_retries=False,
            )
        accepted = [edit for edit in edits if edit.accepted]
        weights = sorted(edit.weights_sha256 for edit in accepted)
        made = session.scalars(select(Model).where(Model.base_sha256 == base_sha256).order_by(Model.id.desc()))
        alike = (m for m in made if m.checkpoint == here.checkpoint and sorted(m.edits) == weights)
        known = next((m for m in alike if not m.joint_sha256 or artifacts.exists(m.joint_sha256, "safetensors")), None)
        used = [edit.concept.name for edit in accepted]
        refused = [
            f"{edit.concept.name} ({'; '.join(edit.evaluation.get('refusals', ()))})"
            for edit in edits
            if not edit.accepted
        ]
    figures: dict[str, dg.MetadataValue] = {}
    if known is not None:
        sha256 = known.sha256
    else:
        contents = [artifacts.read(key, "safetensors") for key in weights]
        joint, figures = _together(context, here, models, tracker, contents)
        joint_sha256 = artifacts.put_bytes(joint, "safetensors") if joint else None
        model = Model(checkpoint=here.checkpoint, base_sha256=base_sha256, edits=weights, joint_sha256=joint_sha256)
        sha256 = model.sha256 = sha256_of(model.content)
        with catalog.open().session() as session:
            # It is there already where only its file was lost.
            if session.scalar(select(Model.id).where(Model.sha256 == sha256)) is None:
                session.add(model)
    warning = f"not in the model, as their edits were refused: {'; '.join(refused)}"
    if refused:
        context.log.warning(warning)
    return dg.MaterializeResult(
        metadata={
            **({"warning": warning} if refused else {}),
            "checkpoint": here.checkpoint,
            "edits": dg.MetadataValue.md(", ".join(used) or "none"),
            "refused": dg.MetadataValue.md(", ".join(refused) or "none"),
            "sha256": sha256,
            **figures,
        },
        data_version=dg.DataVersion(sha256),
    )


def _together(
    context: dg.AssetExecutionContext,
    here: Campaign,
    models: ModelResource,
    tracker: TrackerResource,
    contents: list[bytes],
) -> tuple[bytes | None, dict[str, dg.MetadataValue]]:
    """Train several edits together where they are made so, and hold what was trained to the gate.

    Returns:
        The file of the edit that takes the place of all, None where they compose exactly; and figures to show.

    Raises:
        dg.Failure: If the gate refuses them together, although it let each through.
    """
    edits = [Edit.from_bytes(content) for content in contents]
    if len(edits) < 2 or not any(part.deltas for edit in edits for part in edit.parts):
        return None, {}
    pipeline, _ = models.base(here)
    losses: list[float] = []
    edit = compose(edits, pipeline, lambda _, loss: losses.append(loss))
    found = evaluate(pipeline, edit, models.clip(), here.generation)
    names = ", ".join(concept.name for concept in edit.concepts)
    link = tracker.record(
        context,
        f"twig-assets/{here.name}/ablation",
        {**{name: figure.value for name, figure in found.summary().items()}, "accepted": found.accepted},
        {"concept": names, "method": edit.settings.method},
        curves={"loss": losses} if losses else None,
    )
    shown: dict[str, dg.MetadataValue] = {"together": summary_table(found), "mlflow": link}
    if not found.accepted:
        raise dg.Failure(
            f"each edit was accepted, all together are refused: {'; '.join(found.refusals)}. For fast, raise "
            "ablation.distillation.steps; fine-tuned edits are added up, which is not exact, and only closed_form is",
            metadata=shown,
            allow_retries=False,
        )
    return edit.to_bytes() if edit.joint else None, shown
