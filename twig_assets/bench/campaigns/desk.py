"""Benchmark `desk`: decisions by keys in a real browser, pages and report with ten thousand prompts, and axe."""

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from twig_assets.bench.campaigns.filled_catalog import PER_BATCH, fill
from twig_assets.bench.campaigns.workspace import NAME, Workspace
from twig_assets.bench.report import Bar, Measured
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.store import ArtifactStore
from twig_assets.settings.home import artifact_root, catalog_url

DECISIONS = 100
PAGES = 40
PATIENCE_MS = 120_000
SERIOUS = ("serious", "critical")


class NoBrowserError(RuntimeError):
    """There is no Chromium to work at the desk with."""


def measure(quick: bool = False, grid: Path | None = None) -> Measured:
    """Fill a catalog with prompts that nearly all wait, and work at the desk as a person would.

    Args:
        quick: 1,000 prompts in place of 10,000, and ten decisions.
        grid: Not used.

    Raises:
        NoBrowserError: If Chromium is missing.
    """
    prompts, decisions = (1_000, 10) if quick else (10_000, DECISIONS)
    with tempfile.TemporaryDirectory(prefix="twig-desk-") as folder:
        workspace = Workspace(Path(folder))
        with workspace.entered() as location:
            fill(workspace, location, prompts // PER_BATCH, quarantined=1.0)
            rows = [_report(workspace), *_at_the_desk(workspace, decisions)]
    figures = {row["figure"]: row for row in rows}
    bars = [
        Bar(name="decisions_per_minute", value=figures["decisions"]["per_minute"], goal=20, direction=">="),
        Bar(name="page_ms_p95_10k", value=figures["pages"]["ms_p95"], goal=300, direction="<="),
        Bar(name="report_s_10k", value=figures["report"]["seconds"], goal=60, direction="<="),
        Bar(name="report_peak_mib_10k", value=figures["report"]["peak_mib"], goal=1024, direction="<="),
        Bar(name="axe_serious", value=float(figures["axe"]["serious"]), goal=0, direction="<="),
    ]
    return Measured(bars=bars, rows=[{**row, "prompts": prompts} for row in rows])


# A child's `ru_maxrss` begins with the memory of the process that started it; VmHWM is the program's own, in kB.
_SAYS_ITS_PEAK = """
from pathlib import Path
from twig_assets.cli import main
try:
    main()
finally:
    print(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


def _report(workspace: Workspace) -> dict[str, Any]:
    """Write the report, while nobody else works, by a process of its own as people do."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", _SAYS_ITS_PEAK, "report", "--campaign", NAME, "--root", str(workspace.root)],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, used = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    folder = workspace.home / "reports" / NAME
    return {
        "figure": "report",
        "seconds": seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mib": int(done.stdout.split()[-2]) / 1024,
        "main_page_mb": (folder / "report.html").stat().st_size / 1e6,
        "pages": len(list(folder.glob("pages-*/*.html"))),
        "largest_page_mb": max(path.stat().st_size for path in folder.glob("pages-*/*.html")) / 1e6,
        "zip_mb": (folder / "report.zip").stat().st_size / 1e6,
    }


def _at_the_desk(workspace: Workspace, decisions: int) -> list[dict[str, Any]]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise NoBrowserError("there is no Chromium; `apt-get install chromium` as root brings it")
    with _served(workspace) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{url}/door?back=/queue")
        page.fill("input[name=name]", "Ada")
        page.click("button.main")
        page.wait_for_selector("a[data-key=enter]")
        rows = [_by_keys(page, url, decisions), _page_times(page, url), _screen_reader(page, url)]
        browser.close()
    return rows


def _by_keys(page: Any, url: str, count: int) -> dict[str, Any]:
    """Decide by keys alone: a reason by its digit and a decision, each time on a page that is wholly there."""
    page.keyboard.press("Enter")
    page.wait_for_selector("form.decide")
    started = time.perf_counter()
    for number in range(count):
        before = page.url
        page.keyboard.press(str(1 + number % 6))
        page.keyboard.press("r" if number % 3 else "a")
        page.wait_for_url(lambda address, before=before: address != before)
        page.wait_for_selector("form.decide")
    seconds = time.perf_counter() - started
    return {"figure": "decisions", "made": count, "seconds": seconds, "per_minute": 60 * count / seconds}


def _page_times(page: Any, url: str) -> dict[str, Any]:
    """How long the browser waits for the queue's pages, filtered ones among them, and for images' pages."""
    addresses = [f"{url}/queue?page={1 + n}" for n in range(PAGES // 4)]
    addresses += [f"{url}/queue?text=number%20{n}" for n in range(PAGES // 4)]
    addresses += [f"{url}/queue?batch={NAME}-{n:03d}" for n in range(PAGES // 4)]
    page.goto(f"{url}/queue")
    links = [item.get_attribute("href") for item in page.locator(".item h2 a").all()[: PAGES // 4]]
    addresses += [url + link for link in links]
    timing = "() => { const t = performance.getEntriesByType('navigation')[0]; return t.responseEnd - t.requestStart }"
    milliseconds = []
    for address in addresses:
        page.goto(address, wait_until="domcontentloaded")
        milliseconds.append(float(page.evaluate(timing)))
    return {
        "figure": "pages",
        "pages": len(milliseconds),
        "ms_median": statistics.median(milliseconds),
        "ms_p95": float(np.percentile(milliseconds, 95)),
    }


def _screen_reader(page: Any, url: str) -> dict[str, Any]:
    """What axe finds on every kind of page."""
    from axe_playwright_python.sync_playwright import Axe

    page.goto(f"{url}/queue")
    image = url + str(page.locator(".item h2 a").first.get_attribute("href"))
    found: list[str] = []
    for address in (f"{url}/", f"{url}/queue", image, f"{url}/history/{NAME}", f"{url}/cleared", f"{url}/door"):
        page.goto(address)
        violations = Axe().run(page).response["violations"]
        found += [f"{address}: {one['id']}" for one in violations if one["impact"] in SERIOUS]
    return {"figure": "axe", "serious": len(found), "found": found}


@contextmanager
def _served(workspace: Workspace) -> Iterator[str]:
    """The desk on a port of its own, in a thread of this process."""
    import uvicorn

    from twig_assets.desk import desk_app, read_settings

    catalog = open_catalog(catalog_url())
    app = desk_app(catalog, ArtifactStore(artifact_root()), workspace.root, read_settings())
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
    catalog.close()
