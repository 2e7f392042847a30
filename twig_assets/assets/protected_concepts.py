"""The asset `protected_concepts`: what the model must no longer draw."""

from pathlib import Path

import dagster as dg

from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.lines import described, listed, table
from twig_assets.assets.shared.partitions import all_campaigns, concepts
from twig_assets.campaign.input_rows import keep_concepts
from twig_assets.catalog.hashing import sha256_of
from twig_assets.prompts import read_concepts
from twig_assets.prompts.partition_keys import concept_key
from twig_assets.resources import CampaignsResource, CatalogResource


@dg.asset(
    config_schema={},
    partitions_def=all_campaigns,
    group_name="inputs",
    owners=["team:legal"],
    kinds={"yaml"},
    description="The campaign's protected concepts from concepts.yaml: target, anchor, kind, aliases and what to "
    "preserve. Each becomes a partition of ablated_models.",
)
@one_run_at_a_time
def protected_concepts(
    context: dg.AssetExecutionContext, campaigns: CampaignsResource, catalog: CatalogResource
) -> dg.MaterializeResult:
    """Bring the concept rows in line with the file; concepts that left it become inactive and lose their partition."""
    settings = campaigns.load(context.partition_key)
    rows = read_concepts(settings.concepts_file)
    with catalog.open().session() as session:
        keep_concepts(session, settings.name, rows)
    _replace_partitions(context.instance, settings.name, [row.name for row in rows])
    shown = table(
        ("name", "kind", "target", "anchor"), ((r.name, r.kind, r.target, r.anchor or "(plain)") for r in rows)
    )
    return dg.MaterializeResult(
        metadata={"concepts": len(rows), "table": shown},
        data_version=dg.DataVersion(
            sha256_of([[r.name, r.target, r.anchor, r.kind, r.aliases, r.preserve] for r in rows])
        ),
    )


@dg.asset_check(
    asset=protected_concepts,
    partitions_def=all_campaigns,
    description="Nothing in the campaign's files, models and settings, nor on this machine, is in the way of a run.",
)
def campaign_can_run(context: dg.AssetCheckExecutionContext, campaigns: CampaignsResource) -> dg.AssetCheckResult:
    """Check the whole campaign, without reading weights."""
    from twig_assets.campaign.check import check_campaign

    checked = check_campaign(context.partition_key, Path(campaigns.root))
    return dg.AssetCheckResult(
        passed=not checked.problems,
        severity=dg.AssetCheckSeverity.WARN,
        description=described(checked.problems) or "nothing is in the way of a run",
        metadata={"problems": len(checked.problems), "notes": listed(checked.notes)},
    )


def _replace_partitions(instance: dg.DagsterInstance, campaign: str, names: list[str]) -> None:
    """Make the campaign's concepts its partitions: composed_model would wait for ever for one without a concept."""
    keys = [concept_key(campaign, name) for name in names]
    instance.add_dynamic_partitions(str(concepts.name), keys)
    for key in instance.get_dynamic_partitions(str(concepts.name)):
        if key.startswith(f"{campaign}.") and key not in keys:
            instance.delete_dynamic_partition(str(concepts.name), key)
