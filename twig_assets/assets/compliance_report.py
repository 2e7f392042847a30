"""The asset `compliance_report`, the page a person mails around, and the standing check of what needs a person."""

from pathlib import Path

import dagster as dg
from sqlalchemy import select

from twig_assets.assets.reference_corpus import reference_corpus
from twig_assets.assets.released_images import released_images
from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.campaign import Campaign
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import Image, Prompt, PromptBatch, Release
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance import enforce
from twig_assets.compliance.auditing import audit_images
from twig_assets.reports import Recheck, collect, dated_path, render, with_history
from twig_assets.resources import CampaignResource, CatalogResource, ProgressResource, StoreResource
from twig_assets.settings.home import home


@dg.asset(
    deps=[released_images, reference_corpus],
    group_name="release",
    owners=["team:legal"],
    kinds={"html"},
    description="One self-contained HTML page, and the same as JSON, with a copy that bears the date: what was checked "
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
) -> dg.MaterializeResult:
    """Recheck what is published, collect the campaign's state and write it as a page."""
    here, artifacts = campaign.load(), store.open()
    recheck = _recheck(here, catalog.open(), artifacts, context, progress)
    with catalog.open().session() as session:
        data = collect(session, here, artifacts).model_copy(update={"recheck": recheck})
    page = report_path(here.name)
    data = with_history(data, page.parent)
    dated = dated_path(page.parent, data)
    page.parent.mkdir(parents=True, exist_ok=True)
    render(data, dated)
    render(data, page)
    sha256 = artifacts.put_bytes(dated.read_bytes(), "html")
    counts = {**data.counts.model_dump(), **recheck.model_dump(exclude={"withdrawn", "published"})}
    return dg.MaterializeResult(
        metadata={
            "report": dg.MetadataValue.path(str(page)),
            "dated": dg.MetadataValue.path(str(dated)),
            "sha256": sha256,
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
        found = enforce(session, campaign.load(), by="nothing_quarantined_or_stuck")
    said = [f"{batch}: {count} prompts quarantined" for batch, count in found.quarantined.items()]
    said += [f"{due.batch}: {due.images} images wait for a run ({due.work})" for due in found.due]
    return dg.AssetCheckResult(
        passed=not said,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(said) or "no prompt is quarantined, and no batch waits for a run",
        metadata={"quarantined": sum(found.quarantined.values()), "batches_waiting": len(found.due)},
    )


def report_path(campaign: str) -> Path:
    """Where the campaign's newest report is; those with a date in their name lie beside it."""
    return home() / "reports" / campaign / "report.html"


def _recheck(
    campaign: Campaign,
    catalog: Catalog,
    store: ArtifactStore,
    context: dg.AssetExecutionContext,
    progress: ProgressResource,
) -> Recheck:
    published = (
        select(Release.image_id)
        .join(Prompt, Prompt.id == Release.prompt_id)
        .join(PromptBatch)
        .where(PromptBatch.campaign == campaign.name, Release.withdrawn_at.is_(None))
    )
    with catalog.session() as session:
        count = len(session.scalars(published).all())
    if not count:
        return Recheck(published=0, standing=0, rejudged=0, scored=0, withdrawn=[])
    audited = audit_images(
        campaign,
        catalog,
        store,
        Image.id.in_(published),
        context.run.run_id,
        lambda done, total: progress.report(context, done, total, "audits"),
    )
    with catalog.session() as session:
        withdrawn = enforce(session, campaign, by=context.run.run_id).withdrawn
    scored = len(audited.results)
    return Recheck(
        published=count,
        standing=count - audited.rejudged - scored,
        rejudged=audited.rejudged,
        scored=scored,
        withdrawn=[f"{one.prompt}: {one.why}" for one in withdrawn],
    )
