"""Pages that are written to be mailed: they fit a phone, and screen readers find nothing serious to stumble over."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser

from tests.integration.browsing import browser, page_of
from tests.integration.test_gallery_page import BASE, pages_audit
from tests.unit.desk.conftest import behind, fill_folder
from tests.unit.reports.filler import drawing
from twig_assets.campaign import load_campaign
from twig_assets.export import write_export
from twig_assets.folder_audit import calibrate_folder
from twig_assets.reports import write_report

SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Name of each page -> its file."""
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWIG_HOME", str(folder / "home"))
        desk = fill_folder(folder / "desk")
        campaign = load_campaign("demo", desk / "campaigns")
        catalog, store = behind(desk)
        report = write_report(campaign, catalog, store).files.page
        exported = write_export(campaign, catalog, store, folder / "export").folder
        catalog.close()
        (folder / "audit").mkdir()
        gallery = pages_audit(folder / "audit")
        (folder / "clean").mkdir()
        for seed in range(12):
            Image.fromarray(drawing("owl", seed=seed)[0]).save(folder / "clean" / f"{seed}.png")
        calibrate_folder(folder / "clean", folder / "audit" / "works", BASE, folder / "calibration", copies=2)
        yield {
            "report": report,
            "guide": exported / "how-to-check.html",
            "evidence": exported / "evidence" / "report" / "report.html",
            "gallery": gallery,
            "calibration": folder / "calibration" / "calibration.html",
        }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_written_page_fits_a_phone_and_a_screen_reader(
    pages: dict[str, Path], chromium: Browser, scheme: str
) -> None:
    with page_of(chromium) as page:
        page.set_viewport_size({"width": 390, "height": 844})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for name, path in pages.items():
            page.goto(path.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            found = Axe().run(page).response["violations"]
            stumbled = [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in found if one["impact"] in SERIOUS]
            assert stumbled == [], name
