"""The asset `protected_concepts`: what the model must no longer draw."""

import dagster as dg
from sqlalchemy import select

from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.partitions import concepts
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import Concept
from twig_assets.prompts import read_concepts
from twig_assets.resources import CampaignResource, CatalogResource


@dg.asset(
    group_name="inputs",
    owners=["team:legal"],
    kinds={"yaml"},
    description="The campaign's protected concepts from concepts.yaml: target, anchor, kind, aliases and what to "
    "preserve. Each becomes a partition of ablated_models.",
)
@one_run_at_a_time
def protected_concepts(
    context: dg.AssetExecutionContext, campaign: CampaignResource, catalog: CatalogResource
) -> dg.MaterializeResult:
    """Bring the concept rows in line with the file; concepts that left it become inactive and lose their partition."""
    here = campaign.load()
    rows = read_concepts(here.concepts_file)
    with catalog.open().session() as session:
        there = {c.name: c for c in session.scalars(select(Concept).where(Concept.campaign == here.name))}
        for name in there.keys() - {row.name for row in rows}:
            there[name].active = False
        for row in rows:
            concept = there.get(row.name) or Concept(campaign=here.name, name=row.name)
            concept.target, concept.anchor, concept.kind = row.target, row.anchor, row.kind
            concept.aliases, concept.preserve, concept.active = list(row.aliases), list(row.preserve), True
            session.add(concept)
    wanted = [f"{here.name}.{row.name}" for row in rows]
    context.instance.add_dynamic_partitions(str(concepts.name), wanted)
    # composed_model depends on all partitions: one without a concept would look forever unfinished.
    for key in context.instance.get_dynamic_partitions(str(concepts.name)):
        if key.startswith(f"{here.name}.") and key not in wanted:
            context.instance.delete_dynamic_partition(str(concepts.name), key)
    lines = [f"| {r.name} | {r.kind} | {r.target} | {r.anchor or '(plain)'} |" for r in rows]
    table = "\n".join(["| name | kind | target | anchor |", "|---|---|---|---|", *lines])
    return dg.MaterializeResult(
        metadata={"concepts": len(rows), "table": dg.MetadataValue.md(table)},
        data_version=dg.DataVersion(
            sha256_of([[r.name, r.target, r.anchor, r.kind, r.aliases, r.preserve] for r in rows])
        ),
    )
