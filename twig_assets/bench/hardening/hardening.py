"""Benchmark `hardening`: every attack is stopped, and those that can be are shown to work on what is not defended.

The servers are real processes: Dagster and MLflow as `twig ui` runs them, and `dagster-webserver` and `mlflow server`
as they come. Pages of attackers are opened in Chromium. An attack is stopped when it did nothing: the asset's history
is still there, no check was forged, no picture was fetched, no code ran, no password was shown.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from twig_assets.bench.hardening import files, pages, requests, texts
from twig_assets.bench.hardening.attack import Attack, Target
from twig_assets.bench.hardening.evil import evil_server
from twig_assets.bench.hardening.running import targets
from twig_assets.bench.report import Bar, Measured

# An attacker owns these names and can bind them to any address.
_NAMES = "MAP evil.test 127.0.0.1, MAP rebound.test 127.0.0.1"


class NoChromiumError(RuntimeError):
    """There is no Chromium to open pages with."""


def measure(quick: bool = False, grid: Path | None = None) -> Measured:
    """Attack.

    Args:
        quick: Take every fourth attack.
        grid: Not used; nothing is drawn.

    Raises:
        NoChromiumError: If there is none.
    """
    attacks = [*pages.attacks(), *requests.attacks(), *texts.attacks(), *files.attacks()][:: 4 if quick else 1]
    with (
        tempfile.TemporaryDirectory(prefix="twig-hardening-") as folder,
        evil_server() as evil,
        chromium() as browser,
        targets(Path(folder), evil, browser) as (guarded, original),
    ):
        rows = []
        for attack in tqdm(attacks, unit="attack"):
            rows.append(attempt(attack, guarded, original))
            tqdm.write(json.dumps(rows[-1]), file=sys.stderr)
    stopped = sum(row["stopped"] for row in rows)
    compared = [row["works_undefended"] for row in rows if row["works_undefended"] is not None]
    return Measured(
        bars=[
            Bar(name="attacks", value=len(rows), goal=30, direction=">="),
            Bar.of_share("stopped_share", stopped, len(rows), goal=1.0, direction=">="),
            Bar.of_share("works_undefended_share", sum(compared), len(compared), goal=0.9, direction=">="),
        ],
        rows=rows,
    )


def attempt(attack: Attack, guarded: Target, original: Target) -> dict[str, Any]:
    """Try an attack on what is not defended, and on ours.

    Returns:
        A row. An attack that could not be tried on ours does not count as stopped.
    """
    undefended = None
    trouble = ""
    if attack.has_original:
        try:
            undefended = attack.harms(original)
        except Exception as error:  # what is wrong with the original is not ours to mend
            undefended, trouble = False, f"undefended: {type(error).__name__}: {str(error)[:300]}"
    try:
        stopped = not attack.harms(guarded)
    except Exception as error:  # whatever kept it from being tried
        stopped, trouble = False, f"{type(error).__name__}: {str(error)[:300]}"
    return {
        "attack": attack.name,
        "kind": attack.kind,
        "works_undefended": undefended,
        "stopped": stopped,
        **({"trouble": trouble} if trouble else {}),
    }


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser in which the attacker's names lead to this machine.

    Raises:
        NoChromiumError: If there is none.
    """
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise NoChromiumError("the benchmark `hardening` needs Chromium: `apt-get install chromium` brings it")
    with sync_playwright() as playwright:
        # Chromium refuses its sandbox to root.
        options = [f"--host-resolver-rules={_NAMES}", *["--no-sandbox"] * (os.geteuid() == 0)]
        browser = playwright.chromium.launch(executable_path=found, args=options)
        try:
            yield browser
        finally:
            browser.close()
