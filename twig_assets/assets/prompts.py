"""The asset `prompts`: one batch of the campaign's prompts, as rows."""

import dagster as dg
from sqlalchemy import select

from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.partitions import prompt_batches
from twig_assets.campaign.protected_terms import terms_of
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import Prompt, PromptBatch
from twig_assets.prompts import PromptRow, batches, check_prompts, read_prompts
from twig_assets.prompts.protected import CheckedPrompt
from twig_assets.resources import CampaignResource, CatalogResource


@dg.asset(
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
    context: dg.AssetExecutionContext, campaign: CampaignResource, catalog: CatalogResource
) -> dg.MaterializeResult:
    """Read the batch's prompts and write those that are not in the catalog yet."""
    here = campaign.load()
    found = dict(batches(read_prompts(here.folder), here.name, here.batch_size))
    key = context.partition_key
    if key not in found:
        raise dg.Failure(f"campaign {here.name!r} has no batch {key!r}; it has {', '.join(found)}", allow_retries=False)
    checked = check_prompts(found[key], terms_of(here), here.prompt_check)
    rows = [one.row for one in checked]
    with catalog.open().session() as session:
        if session.get(PromptBatch, key) is None:
            session.add(PromptBatch(key=key, campaign=here.name))
            session.flush()
        there = {p.position: p for p in session.scalars(select(Prompt).where(Prompt.batch_key == key))}
        _refuse_changes(key, there, rows)
        new = [(i, row) for i, row in enumerate(rows) if i not in there]
        for i, row in new:
            digest = sha256_of({"text": row.text, "seed": row.seed})
            session.add(Prompt(batch_key=key, position=i, text=row.text, seed=row.seed, sha256=digest))
    naming = sum(bool(one.findings) for one in checked)
    return dg.MaterializeResult(
        metadata={"prompts": len(rows), "new": len(new), "naming_protected": naming, "table": _table(checked)},
        data_version=dg.DataVersion(sha256_of([[r.text, r.seed] for r in rows])),
    )


def _table(checked: list[CheckedPrompt]) -> dg.MarkdownMetadataValue:
    lines = ["| # | prompt | seed | names what is protected |", "|---|---|---|---|"]
    for i, one in enumerate(checked):
        named = ", ".join(
            f"{f.written} ({f.term.words})" if f.written.casefold() != f.term.words.casefold() else f.written
            for f in one.findings
        )
        lines.append(f"| {i} | {one.row.text} | {one.row.seed} | {named} |")
    return dg.MetadataValue.md("\n".join(lines))


def _refuse_changes(key: str, there: dict[int, Prompt], rows: list[PromptRow]) -> None:
    for i, prompt in sorted(there.items()):
        row = rows[i] if i < len(rows) else None
        if row and (prompt.text, prompt.seed) == (row.text, row.seed):
            continue
        place = f"{row.file}:{row.line}: text" if row else "text"
        raise dg.Failure(
            f"{place}: prompt {i} of batch {key} was {prompt.text!r} with seed {prompt.seed} and may have images; "
            f"leave the old prompts and batch_size as they were; put new ones at the end of the last file",
            allow_retries=False,
        )
