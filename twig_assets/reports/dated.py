"""Writing a campaign's report: the page that is replaced every time, and a copy of it that bears the date."""

from dataclasses import dataclass
from pathlib import Path

from twig_assets.campaign import Campaign
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.store import ArtifactStore
from twig_assets.reports.collect import collect
from twig_assets.reports.data import Recheck, ReportData
from twig_assets.reports.history import dated_path, with_history
from twig_assets.reports.render import render
from twig_assets.settings.home import home


@dataclass(frozen=True)
class WrittenReport:
    """A report that was written.

    Attributes:
        data: What it says.
        page: The newest report's page.
        dated: The copy with the date in its name.
        sha256: Hash of that copy, under which the artifact store keeps it.
    """

    data: ReportData
    page: Path
    dated: Path
    sha256: str


def report_path(campaign: str) -> Path:
    """Where the page of a campaign's newest report is; those with a date in their name lie beside it."""
    return home() / "reports" / campaign / "report.html"


def write_dated_report(campaign: Campaign, catalog: Catalog, store: ArtifactStore, recheck: Recheck) -> WrittenReport:
    """Write the page and its dated copy, with what has changed since the report before.

    Args:
        campaign: The campaign.
        catalog: Its rows.
        store: Its files; keeps the dated copy as well.
        recheck: What was done about published images for this report.

    Raises:
        OSError: If a file cannot be written.
    """
    with catalog.snapshot() as session:
        data = collect(session, campaign, store).model_copy(update={"recheck": recheck})
    page = report_path(campaign.name)
    data = with_history(data, page.parent)
    dated = dated_path(page.parent, data)
    page.parent.mkdir(parents=True, exist_ok=True)
    render(data, dated)
    render(data, page)
    return WrittenReport(data, page, dated, store.put_bytes(dated.read_bytes(), "html"))
