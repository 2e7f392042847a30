"""The asset `compliance_report`, the page a person mails around, and the standing check of what needs a person."""

import itertools

import dagster as dg

from twig_assets.assets.reference_corpus import reference_corpus
from twig_assets.assets.released_images import released_images
from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.kept import pixels_of
from twig_assets.assets.shared.lines import described
from twig_assets.assets.shared.partitions import all_campaigns
from twig_assets.assets.shared.thumbnails import SHOWN, gallery
from twig_assets.catalog.models import Image
from twig_assets.compliance import enforce
from twig_assets.compliance.candidates import prompt_states
from twig_assets.compliance.held import held
from twig_assets.compliance.state import CandidateState
from twig_assets.compliance.survey import survey
from twig_assets.reports import recheck_published, write_dated_report
from twig_assets.reports.rows import rules_now
from twig_assets.resources import (
    CampaignsResource,
    CatalogResource,
    EngineResource,
    ModelResource,
    ProgressResource,
    StoreResource,
)


@dg.asset(
    config_schema={},
    partitions_def=all_campaigns,
    deps=[released_images, reference_corpus],
    group_name="release",
    owners=["team:legal"],
    kinds={"html"},
    pool="cpu",
    description="One self-contained HTML page, pages of pictures beside it where it cannot show everything, the same "
    "as JSON and as a zip to mail, with a copy that bears the date: what was checked "
    "against which works under which policy, what was caught, what was released, and what has changed since the last. "
    "Before it is written, published images without a verdict of the day are audited, and withdrawn if they must be.",
)
@one_run_at_a_time
def compliance_report(
    context: dg.AssetExecutionContext,
    campaigns: CampaignsResource,
    catalog: CatalogResource,
    store: StoreResource,
    progress: ProgressResource,
    models: ModelResource,
    engine: EngineResource,
) -> dg.MaterializeResult:
    """Recheck what is published, collect the campaign's state and write it as a page."""
    settings, rows, artifacts = campaigns.load(context.partition_key), catalog.open(), store.open()
    reporter = progress.reporter(context, "audits")
    with engine.opened() as opened:
        recheck = recheck_published(
            settings, rows, artifacts, context.run.run_id, reporter, lambda: models.judge(settings), opened
        )
    report = write_dated_report(settings, rows, artifacts, recheck)
    for line in report.trouble:
        context.log.warning(f"the ledger's head was not kept everywhere: {line}; the next report makes up for it")
    counts = {**report.data.summary.counts.model_dump(), **recheck.model_dump(exclude={"withdrawn", "published"})}
    return dg.MaterializeResult(
        metadata={
            "report": dg.MetadataValue.path(str(report.files.page)),
            "dated": dg.MetadataValue.path(str(report.files.dated)),
            "to_mail": dg.MetadataValue.path(str(report.files.zip)),
            "pages": report.files.pages,
            "sha256": report.sha256,
            "withdrawn": len(recheck.withdrawn),
            **{key: value for key, value in counts.items() if value is not None},
        },
    )


@dg.asset_check(
    asset=compliance_report,
    partitions_def=all_campaigns,
    description="A bounded number of attempts must not end in silence: this warns as long as a prompt is quarantined "
    "or a batch needs a run that it does not get.",
)
def nothing_quarantined_or_stuck(
    context: dg.AssetCheckExecutionContext, campaigns: CampaignsResource, catalog: CatalogResource
) -> dg.AssetCheckResult:
    """List the quarantined prompts and the batches that wait for a run."""
    with catalog.open().session() as session:
        enforced = enforce(session, campaigns.load(context.partition_key), by="nothing_quarantined_or_stuck")
    lines = [f"{batch}: {count} prompts quarantined" for batch, count in enforced.quarantined.items()]
    lines += [f"{due.batch}: {due.images} images wait for a run ({due.work})" for due in enforced.due]
    return dg.AssetCheckResult(
        passed=not lines,
        severity=dg.AssetCheckSeverity.WARN,
        description=described(lines) or "no prompt is quarantined, and no batch waits for a run",
        metadata={"quarantined": sum(enforced.quarantined.values()), "batches_waiting": len(enforced.due)},
    )


@dg.asset_check(
    asset=compliance_report,
    partitions_def=all_campaigns,
    description="Nothing waits for a person: in no batch is there a candidate that somebody has to let through or to "
    "reject. This warns as long as there is, and shows some of them with the reasons.",
)
def nothing_waits_for_a_person(
    context: dg.AssetCheckExecutionContext,
    campaigns: CampaignsResource,
    catalog: CatalogResource,
    store: StoreResource,
) -> dg.AssetCheckResult:
    """Count what waits in every batch, and show the first of it."""
    settings, shown = campaigns.load(context.partition_key), list[tuple[str, Image]]()
    with catalog.open().snapshot() as session:
        rules = rules_now(session, settings)
        waiting = survey(session, settings.name, rules).waiting
        for batch in itertools.islice(waiting, SHOWN):
            open_states = [s for s in prompt_states(session, batch, rules) if s.state == CandidateState.REVIEW]
            why = held(session, settings.name, open_states, rules)
            shown += [(f"{s.prompt.text}: {why[s.prompt.id].why}", s.candidate) for s in open_states if s.candidate]
    count = sum(map(len, waiting.values()))
    lines = [f"{batch}: {len(images)} wait for a person" for batch, images in waiting.items()]
    pictures = [(caption, pixels_of(store.open(), image)) for caption, image in shown[:SHOWN]]
    return dg.AssetCheckResult(
        passed=not count,
        severity=dg.AssetCheckSeverity.WARN,
        description=described(lines) or "nothing waits for a person",
        metadata={
            "waiting": count,
            "batches": len(waiting),
            "pictures": gallery(pictures, of=count),
            "next": f"`twig desk`, or `twig review --campaign {settings.name}`",
        },
    )
