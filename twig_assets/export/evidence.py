"""The evidence of an export: report, policy, list of works, decisions, and the ledger's head."""

import json
import shutil
from collections.abc import Container
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from twig_assets.campaign import Campaign
from twig_assets.catalog.store import ArtifactStore
from twig_assets.export.manifest import as_csv
from twig_assets.reports import ReportData, Thumbnails, render, report_path
from twig_assets.reports.data import DecisionLine
from twig_assets.reports.render import PICTURES

EVIDENCE = "evidence"


class WorkRow(BaseModel):
    """A work of the corpus, and whether images were compared with it."""

    model_config = ConfigDict(frozen=True)

    title: str
    rights_holder: str
    licence: str
    sha256: str
    compared: bool
    notes: str


def write_evidence(
    report: ReportData, campaign: Campaign, store: ArtifactStore, export: Path, shown: Container[str]
) -> None:
    """Write what the export's images were checked against, and by whom.

    Args:
        report: The state of the campaign.
        campaign: The campaign.
        store: Its files.
        export: The export's folder.
        shown: Hashes of the images that are handed out: the report shows no others, and no protected work.
    """
    folder, summary = export / EVIDENCE, report.summary
    folder.mkdir()
    kept = report_path(campaign.name).parent / PICTURES
    pictures = Thumbnails(
        folder / "report" / PICTURES, store, campaign.references_folder, summary.sources, kept=kept, only=shown
    )
    render(report, pictures, folder / "report", zipped=False)
    (folder / "report" / ".writing").unlink()
    shutil.copyfile(campaign.policy_file, folder / "policy.yaml")
    _json(folder / "policy.json", {"sha256": summary.policy_sha256, "policy": summary.policy})
    works = as_csv(_works(report), list(WorkRow.model_fields))
    (folder / "corpus.csv").write_text(works, encoding="utf-8-sig", newline="")
    decisions = as_csv(summary.decisions, list(DecisionLine.model_fields))
    (folder / "decisions.csv").write_text(decisions, encoding="utf-8-sig", newline="")
    ledger = summary.ledger
    check = f"twig verify --head {ledger.sequence}:{ledger.sha256}" if ledger else ""
    _json(folder / "ledger.json", {"head": ledger.model_dump() if ledger else None, "check": check})


def _works(report: ReportData) -> list[WorkRow]:
    compared = [
        WorkRow(
            title=work.title,
            rights_holder=work.rights_holder,
            licence=work.licence,
            sha256=work.picture.sha256,
            compared=True,
            notes="; ".join(work.notes),
        )
        for work in report.summary.references
    ]
    unread = [
        WorkRow(
            title=work.file,
            rights_holder="",
            licence="",
            sha256=work.sha256 or "",
            compared=False,
            notes=f"it {work.reason}; {f'accepted, {work.accepted}' if work.accepted else 'nobody accepted that'}",
        )
        for work in report.summary.unread
    ]
    return compared + unread


def _json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
