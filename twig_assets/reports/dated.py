"""Writing a campaign's report: the page that is replaced every time, and a copy of it that bears the date."""

from dataclasses import dataclass, replace
from pathlib import Path

from twig_assets.campaign import Campaign
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.hashing import sha256_file
from twig_assets.catalog.models import ReportFile
from twig_assets.catalog.store import ArtifactStore
from twig_assets.evidence.heads import keep_head
from twig_assets.reports.collect import collect
from twig_assets.reports.data import Recheck
from twig_assets.reports.history import with_history
from twig_assets.reports.kept_elsewhere import keep_elsewhere
from twig_assets.reports.lines import ReportData
from twig_assets.reports.pictures import Thumbnails
from twig_assets.reports.render import PICTURES, Rendered, render
from twig_assets.reports.retention import remove_old
from twig_assets.settings.home import home, reports_place


@dataclass(frozen=True)
class WrittenReport:
    """A report that was written.

    Attributes:
        data: What it says.
        files: Where it is.
        sha256: Hash of the dated copy of its main page, under which the artifact store keeps it; empty without one.
        trouble: Why a place has not taken the ledger's head, or the report, a line each.
    """

    data: ReportData
    files: Rendered
    sha256: str = ""
    trouble: tuple[str, ...] = ()


def report_path(campaign: str) -> Path:
    """Where the main page of a campaign's newest report is; those with a date in their name lie beside it."""
    return home() / "reports" / campaign / "report.html"


def read_report(campaign: Campaign, catalog: Catalog) -> ReportData:
    """Read what a report says, with its history, from one view of the catalog; writers go on meanwhile."""
    with catalog.snapshot() as session:
        data = collect(session, campaign)
        return replace(data, summary=with_history(data.summary, report_path(campaign.name).parent, session))


def write_report(campaign: Campaign, catalog: Catalog, store: ArtifactStore) -> WrittenReport:
    """Write a campaign's report in the place of the last one.

    Raises:
        OSError: If a file cannot be written.
    """
    data = read_report(campaign, catalog)
    folder = report_path(campaign.name).parent
    return WrittenReport(data, render(data, _thumbnails(data, folder, campaign, store), folder))


def write_dated_report(campaign: Campaign, catalog: Catalog, store: ArtifactStore, recheck: Recheck) -> WrittenReport:
    """The same, with a copy that bears the date and stays; the ledger chains its hash, and the ledger's head is kept.

    What the campaign's retention does not keep any longer is removed then.

    Args:
        campaign: The campaign.
        catalog: Its rows.
        store: Its files; keeps the dated main page as well.
        recheck: What was done about published images for this report.

    Raises:
        OSError: If a file cannot be written.
    """
    data = read_report(campaign, catalog)
    data = replace(data, summary=data.summary.model_copy(update={"recheck": recheck}))
    folder = report_path(campaign.name).parent
    files = render(data, _thumbnails(data, folder, campaign, store), folder, dated=True)
    assert files.dated is not None
    sha256 = store.put_bytes(files.dated.read_bytes(), "html")
    with catalog.session() as session:
        for file in (files.dated, files.dated.with_suffix(".json")):
            name = f"{campaign.name}/{file.name}"
            session.add(ReportFile(campaign=campaign.name, file=name, sha256=sha256_file(file)))
    with catalog.snapshot() as session:
        trouble = keep_head(session.connection())
    remove_old(campaign, catalog, store, folder)
    trouble += keep_elsewhere(folder, reports_place())
    return WrittenReport(data, files, sha256, tuple(trouble))


def _thumbnails(data: ReportData, folder: Path, campaign: Campaign, store: ArtifactStore) -> Thumbnails:
    return Thumbnails(folder / PICTURES, store, campaign.references_folder, data.summary.sources)
