"""The asset `prompts`: one batch of the campaign's prompts, as rows."""

import dagster as dg

from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.lines import table
from twig_assets.assets.shared.partitions import prompt_batches
from twig_assets.campaign.input_rows import keep_prompts, prompts_of_batch
from twig_assets.campaign.protected_terms import terms_of
from twig_assets.catalog.hashing import sha256_of
from twig_assets.prompts import check_prompts
from twig_assets.prompts.protected import CheckedPrompt
from twig_assets.resources import CampaignsResource, CatalogResource


@dg.asset(
    config_schema={},
    partitions_def=prompt_batches,
    group_name="inputs",
    owners=["team:content"],
    kinds={"yaml", "csv"},
    description="A batch of up to 64 prompts, read from the campaign's prompts*.yaml and prompts*.csv files. "
    "Each has a seed of its own. Duplicate, empty and malformed prompts are refused with file, line and field. "
    "Prompts that name something protected, misspelled or not, are named, rewritten or refused, as the campaign says.",
)
@one_run_at_a_time
def prompts(
    context: dg.AssetExecutionContext, campaigns: CampaignsResource, catalog: CatalogResource
) -> dg.MaterializeResult:
    """Read the batch's prompts and write those that are not in the catalog yet."""
    settings, key = campaigns.of_batch(context.partition_key), context.partition_key
    checked = check_prompts(prompts_of_batch(settings, key), terms_of(settings), settings.prompt_check)
    rows = [prompt.row for prompt in checked]
    with catalog.open().session() as session:
        new = keep_prompts(session, settings.name, key, rows)
    naming = sum(bool(prompt.findings) for prompt in checked)
    return dg.MaterializeResult(
        metadata={"prompts": len(rows), "new": new, "naming_protected": naming, "table": _table(checked)},
        data_version=dg.DataVersion(sha256_of([[row.text, row.seed] for row in rows])),
    )


def _table(checked: list[CheckedPrompt]) -> dg.MarkdownMetadataValue:
    rows = []
    for i, prompt in enumerate(checked):
        named = ", ".join(
            match.written
            if match.written.casefold() == match.term.words.casefold()
            else f"{match.written} ({match.term.words})"
            for match in prompt.findings
        )
        rows.append((i, prompt.row.text, prompt.row.seed, named))
    return table(("#", "prompt", "seed", "names what is protected"), rows)
