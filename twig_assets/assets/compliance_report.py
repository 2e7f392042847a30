"""The asset `compliance_report`, the page a person mails around, and the standing check of what needs a person."""

import dagster as dg

from twig_assets.assets.reference_corpus import reference_corpus
from twig_assets.assets.released_images import released_images
from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.compliance import enforce
from twig_assets.reports import recheck_published, write_dated_report
from twig_assets.resources import (
    CampaignResource,
    CatalogResource,
    EngineResource,
    ModelResource,
    ProgressResource,
    StoreResource,
)


@dg.asset(
    deps=[released_images, reference_corpus],
    group_name="release",
    owners=["team:legal"],
    kinds={"html"},
    description="One self-contained HTML page, pages of pictures beside it where it cannot show everything, the same "
    "as JSON and as a zip to mail, with a copy that bears the date: what was checked "
    "against which works under which policy, what was caught, what was released, and what has changed since the last. "
    "Before it is written, published images without a verdict of the day are audited, and withdrawn if they must be.",
)
@one_run_at_a_time
def compliance_report(
    context: dg.AssetExecutionContext,
    campaign: CampaignResource,
    catalog: CatalogResource,
    store: StoreResource,
    progress: ProgressResource,
    models: ModelResource,
    engine: EngineResource,
) -> dg.MaterializeResult:
    """Recheck what is published, collect the campaign's state and write it as a page."""
    settings, rows, artifacts = campaign.load(), catalog.open(), store.open()
    reporter = progress.reporter(context, "audits")
    with engine.opened() as opened:
        recheck = recheck_published(
            settings, rows, artifacts, context.run.run_id, reporter, lambda: models.judge(settings), opened
        )
    report = write_dated_report(settings, rows, artifacts, recheck)
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
    description="A bounded number of attempts must not end in silence: this warns as long as a prompt is quarantined "
    "or a batch needs a run that it does not get.",
)
def nothing_quarantined_or_stuck(campaign: CampaignResource, catalog: CatalogResource) -> dg.AssetCheckResult:
    """List the quarantined prompts and the batches that wait for a run."""
    with catalog.open().session() as session:
        enforced = enforce(session, campaign.load(), by="nothing_quarantined_or_stuck")
    lines = [f"{batch}: {count} prompts quarantined" for batch, count in enforced.quarantined.items()]
    lines += [f"{due.batch}: {due.images} images wait for a run ({due.work})" for due in enforced.due]
    return dg.AssetCheckResult(
        passed=not lines,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(lines) or "no prompt is quarantined, and no batch waits for a run",
        metadata={"quarantined": sum(enforced.quarantined.values()), "batches_waiting": len(enforced.due)},
    )
