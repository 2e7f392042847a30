"""The asset `compliance_report`: the page a person mails around."""

from pathlib import Path

import dagster as dg

from resources import CampaignResource, CatalogResource, StoreResource
from twig_assets.assets.released_images import released_images
from twig_assets.home import home
from twig_assets.reports import collect, render


@dg.asset(
    deps=[released_images],
    group_name="release",
    owners=["team:legal"],
    kinds={"html"},
    description="One self-contained HTML page, and the same as JSON: what was checked against which works under which "
    "policy, what was caught, what was released.",
)
def compliance_report(
    context: dg.AssetExecutionContext, campaign: CampaignResource, catalog: CatalogResource, store: StoreResource
) -> dg.MaterializeResult:
    """Collect the campaign's latest state and write it as a page."""
    here = campaign.load()
    artifacts = store.open()
    with catalog.open().session() as session:
        data = collect(session, here, artifacts)
    page = report_path(here.name)
    page.parent.mkdir(parents=True, exist_ok=True)
    render(data, page)
    sha256 = artifacts.put_bytes(page.read_bytes(), "html")
    counts = data.counts.model_dump()
    return dg.MaterializeResult(
        metadata={"report": dg.MetadataValue.path(str(page)), "sha256": sha256,
                  **{key: value for key, value in counts.items() if value is not None}},
    )  # fmt: skip


def report_path(campaign: str) -> Path:
    """Where the campaign's newest report is."""
    return home() / "reports" / campaign / "report.html"
