"""Breaking things on purpose: after each fault and the same command once more, the campaign must be where it would be.

Every fault works in a folder of its own, on a campaign of three prompts of which the first is caught by the audit and
drawn anew. It is survived when rows and artifacts equal those of an undisturbed run, `twig verify` finds nothing, no
Dagster run is still said to be going on, and whatever lies about in the artifact store is listed by `twig gc`.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from twig_assets.bench.campaigns.campaign_at_rest import Fault, Rest, rest
from twig_assets.bench.campaigns.daemons import DAEMON_FAULTS
from twig_assets.bench.campaigns.fault_cases import FAULTS
from twig_assets.bench.campaigns.full_disks import DISK_FAULTS
from twig_assets.bench.campaigns.kills import KILLS, killed
from twig_assets.bench.campaigns.without_mlflow import MLFLOW_FAULTS
from twig_assets.bench.campaigns.workspace import NotInjectedError, Workspace
from twig_assets.bench.report import Bar, Measured

LOG_SHOWN = 5000


def measure(quick: bool = False, grid: Path | None = None) -> Measured:
    """Inject every fault; `quick` takes every fifth of the kills and leaves the daemons out. `grid` is not used."""
    with tempfile.TemporaryDirectory(prefix="twig-faults-") as folder:
        undisturbed = rest(Path(folder))
        rows = []
        for number, (name, fault) in enumerate(tqdm(list(all_faults(quick)), unit="fault")):
            rows.append(inject(undisturbed, Workspace(Path(folder) / str(number)), name, fault))
            tqdm.write(json.dumps(rows[-1]), file=sys.stderr)
            shutil.rmtree(Path(folder) / str(number), ignore_errors=True)
    injected = [row for row in rows if row["injected"]]
    survived = sum(row["survived"] for row in injected)
    return Measured(
        bars=[
            Bar(name="faults_injected", value=len(injected), goal=35, direction=">="),
            Bar(name="faults_survived_share", value=survived / max(1, len(injected)), goal=1.0, direction=">="),
        ],
        rows=rows,
    )


def all_faults(quick: bool) -> Iterator[tuple[str, Fault]]:
    """Name and function of every fault."""
    yield from (FAULTS | MLFLOW_FAULTS | DISK_FAULTS).items()
    for kill in KILLS[::5] if quick else KILLS:
        yield f"kill -9 in {kill.asset}, {kill.event} {kill.number}", killed(kill)
    if not quick:
        yield from DAEMON_FAULTS.items()


def inject(undisturbed: Rest, workspace: Workspace, name: str, fault: Fault) -> dict[str, Any]:
    """Inject one fault and look at what it left.

    Returns:
        A row: the fault, whether it was injected and survived, what was wrong, seconds, and if anything was wrong, the
        end of what its processes printed.
    """
    started = time.monotonic()
    try:
        problems, injected = fault(undisturbed, workspace), True
    except NotInjectedError as error:
        problems, injected = [str(error)], False
    return {
        "fault": name,
        "injected": injected,
        "survived": injected and not problems,
        "problems": problems[:5],
        "seconds": round(time.monotonic() - started, 1),
        **({"log": _end_of_log(workspace)} if problems else {}),
    }


def _end_of_log(workspace: Workspace) -> str:
    log = workspace.folder / "process.log"
    return log.read_text(encoding="utf-8", errors="replace")[-LOG_SHOWN:] if log.exists() else ""
