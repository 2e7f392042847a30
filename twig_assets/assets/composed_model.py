"""The asset `composed_model`: the checkpoint with all accepted edits, which is the model that serves."""

import dagster as dg
from sqlalchemy import select

from resources import CampaignResource, CatalogResource, ModelResource, StoreResource
from twig_assets.ablation import ConceptEdit as Edit
from twig_assets.ablation import compose, evaluate
from twig_assets.assets.ablated_models import ablated_models, summary_table
from twig_assets.assets.claims import one_run_at_a_time
from twig_assets.campaigns import Campaign
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import Model
from twig_assets.catalog.serving import newest_edits, unedited_concepts


@dg.asset(
    deps=[ablated_models],
    group_name="model",
    owners=["team:ml"],
    kinds={"pytorch"},
    description="The checkpoint with the accepted edits of all protected concepts, solved together. Images name it by "
    "the hash of its weights and edits. Fine-tuned edits of several concepts are just added up, so the sum is judged.",
)
@one_run_at_a_time
def composed_model(
    context: dg.AssetExecutionContext,
    campaign: CampaignResource,
    catalog: CatalogResource,
    store: StoreResource,
    models: ModelResource,
) -> dg.MaterializeResult:
    """Name the combination of checkpoint and accepted edits; edits that were refused are left out and named."""
    here = campaign.load()
    _, base_sha256 = models.base(here)
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
        sha256 = sha256_of({"base": base_sha256, "edits": weights})
        known = session.scalars(select(Model).where(Model.sha256 == sha256)).first() is not None
        used = [edit.concept.name for edit in accepted]
        refused = [
            f"{edit.concept.name} ({'; '.join(edit.evaluation.get('refusals', ()))})"
            for edit in edits
            if not edit.accepted
        ]
    figures: dict[str, dg.MetadataValue] = {}
    if not known:
        figures = _judged(here, models, [store.open().read(key, "safetensors") for key in weights])
        with catalog.open().session() as session:
            session.add(Model(sha256=sha256, checkpoint=here.checkpoint, base_sha256=base_sha256, edits=weights))
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


def _judged(here: Campaign, models: ModelResource, contents: list[bytes]) -> dict[str, dg.MetadataValue]:
    """Hold several edits together to the gate if one of them is fine-tuned; closed forms compose exactly.

    Raises:
        dg.Failure: If the gate refuses them together, although it let each through.
    """
    edits = [Edit.from_bytes(content) for content in contents]
    if len(edits) < 2 or not any(part.deltas for edit in edits for part in edit.parts):
        return {}
    pipeline, _ = models.base(here)
    found = evaluate(pipeline, compose(edits), models.clip(), here.generation)
    shown: dict[str, dg.MetadataValue] = {"together": summary_table(found)}
    if not found.accepted:
        raise dg.Failure(
            f"each edit was accepted, all together are refused: {'; '.join(found.refusals)}. Fine-tuned edits are "
            "added up, which is not exact; remove the concepts with the method fast or closed_form",
            metadata=shown,
            allow_retries=False,
        )
    return shown
