"""Benchmark `faults`: after each fault and the same command once more, the campaign is where it would be without it.

Every fault works in a folder of its own, on a campaign of three prompts of which the first is caught by the audit and
drawn again. It is survived when rows and artifacts equal those of an undisturbed run, `twig verify` finds nothing, no
Dagster run is still said to be going on, and `twig gc` lists every file in the artifact store that no row refers to.
"""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from twig_assets.bench.campaigns.fault_cases import Fault, NotInjectedError, Sample, all_faults
from twig_assets.bench.campaigns.postgresql import NoPostgreSQLError
from twig_assets.bench.campaigns.processes import printed
from twig_assets.bench.campaigns.undisturbed import UndisturbedRuns, run_undisturbed
from twig_assets.bench.campaigns.workspace import Workspace
from twig_assets.bench.report import Bar, Measured

LOG_SHOWN = 5000


def measure(quick: bool = False, grid: Path | None = None, full: bool = False) -> Measured:
    """Inject the faults of a sample, see `all_faults`.

    Args:
        quick: Take fewer of the kills.
        grid: Not used; nothing that is drawn here is worth looking at.
        full: Inject every fault. `quick` goes before it.
    """
    sample: Sample = "quick" if quick else "full" if full else "default"
    with tempfile.TemporaryDirectory(prefix="twig-faults-") as folder:
        undisturbed = run_undisturbed(Path(folder))
        rows = []
        for number, (name, fault) in enumerate(tqdm(list(all_faults(sample)), unit="fault")):
            workspace = Workspace(Path(folder) / str(number))
            rows.append(inject(undisturbed, workspace, name, fault))
            tqdm.write(json.dumps(rows[-1]), file=sys.stderr)
            shutil.rmtree(workspace.folder, ignore_errors=True)
    injected = [row for row in rows if row["injected"]]
    survived = sum(row["survived"] for row in injected)
    return Measured(
        bars=[
            Bar(name="faults_injected", value=len(injected), goal=70, direction=">="),
            Bar.of_share("faults_survived_share", survived, len(injected), goal=1.0, direction=">="),
        ],
        rows=rows,
    )


def inject(undisturbed: UndisturbedRuns, workspace: Workspace, name: str, fault: Fault) -> dict[str, Any]:
    """Inject one fault and compare what it left with the undisturbed runs.

    Args:
        undisturbed: What to compare with.
        workspace: An empty one.
        name: Of the fault, for the row.
        fault: The fault case.

    Returns:
        A row: the fault, whether it was injected and survived, what was wrong, seconds, and if anything was wrong, the
        end of what its processes printed.
    """
    started = time.monotonic()
    try:
        problems, injected = fault(undisturbed, workspace), True
    except (NoPostgreSQLError, NotInjectedError) as error:
        problems, injected = [str(error)], False
    except Exception as error:  # one that gets through has not been survived, and the others are injected all the same
        problems, injected = [f"{type(error).__name__}: {error}"], True
    return {
        "fault": name,
        "injected": injected,
        "survived": injected and not problems,
        "problems": problems[:5],
        "seconds": round(time.monotonic() - started, 1),
        **({"log": printed(workspace)[-LOG_SHOWN:]} if problems else {}),
    }
