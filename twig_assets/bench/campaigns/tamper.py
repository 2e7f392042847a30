"""Benchmark `tamper`: every act of tampering with what is on record is found by `twig verify`.

A campaign is run once, with a decision of a person and a report. Each act works on a copy of it and is done the way
somebody would who may write to the database and to the files: with the triggers taken off and put back.
"""

import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import select
from tqdm import tqdm

from twig_assets.bench.campaigns.end_state import verification_findings
from twig_assets.bench.campaigns.processes import run_in_this_process
from twig_assets.bench.campaigns.tampering_cases import Tampering, tamperings, without_triggers
from twig_assets.bench.campaigns.undisturbed import fresh_campaign
from twig_assets.bench.campaigns.workspace import Workspace
from twig_assets.bench.report import Bar, Measured
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import Audit, MarkedFile, Review, Watermark
from twig_assets.provenance.watermark import LatticeWatermark
from twig_assets.settings.home import catalog_url


def measure(quick: bool = False, grid: Path | None = None) -> Measured:
    """Tamper in every way and verify after each.

    Args:
        quick: Take every fourth act.
        grid: Not used; nothing is drawn that is worth looking at.

    Raises:
        AssertionError: If the campaign does not run, or something is found where nobody has tampered.
    """
    with tempfile.TemporaryDirectory(prefix="twig-tamper-") as folder:
        untouched = _campaign(Path(folder))
        acts = list(tamperings())[:: 4 if quick else 1]
        rows = [_tamper(untouched, Path(folder) / "copy", act) for act in tqdm(acts, unit="act")]
    found = sum(row["found"] for row in rows)
    return Measured(
        bars=[
            Bar(name="tamperings", value=len(rows), goal=55, direction=">="),
            Bar.of_share("found_share", found, len(rows), goal=1.0, direction=">="),
        ],
        rows=rows,
    )


def _campaign(folder: Path) -> Workspace:
    """A campaign that was run, with decisions, marks on record, and a report that came after them."""
    workspace = fresh_campaign(folder)
    assert run_in_this_process(workspace) == "", "the campaign does not run"
    with workspace.entered():
        catalog = open_catalog(catalog_url())
        with catalog.session() as session:
            audit = session.scalars(select(Audit).where(Audit.verdict == "fail").order_by(Audit.id)).first()
            assert audit is not None, "no image failed"
            for decision in ("reject", "lift"):
                session.add(Review(audit_id=audit.id, decision=decision, who="Ann", why="for the benchmark"))
                session.flush()
            # Its images were drawn without a key, so that the audit catches a copy to the pixel.
            mark = {"payload": "0" * 12, "method": LatticeWatermark.method, "key_id": "0" * 8, "psnr": 40.0}
            session.add(Watermark(image_id=audit.image_id, **mark))
            session.add(MarkedFile(name="sea.png", sha256="0" * 64, command="mark", **mark))
        catalog.close()
    assert run_in_this_process(workspace) == "", "the campaign does not run again"
    with workspace.entered():
        findings = verification_findings()
    assert not findings, findings
    return workspace


def _tamper(untouched: Workspace, folder: Path, tampering: Tampering) -> dict[str, Any]:
    shutil.rmtree(folder, ignore_errors=True)
    copy = untouched.copy_to(Workspace(folder))
    connection = sqlite3.connect(copy.home / "catalog.db", isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    with without_triggers(connection, tampering.leaves_triggers):
        tampering.act(connection, copy.home)
    connection.close()
    with copy.in_environment():
        findings = verification_findings()
    return {"tampering": tampering.name, "found": bool(findings), "findings": findings[:3]}
