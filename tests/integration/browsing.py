"""Debian's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

PATIENCE = 120_000


@contextmanager
def browser(*arguments: str) -> Iterator[Browser]:
    """Chromium, with further arguments, for several tests; they are skipped where there is none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no Chromium; `apt-get install chromium` as root brings it (`make test-browser` tries to)")
    with sync_playwright() as playwright:
        # Chromium refuses its sandbox to root, as whom tests run in containers.
        sandbox = ["--no-sandbox"] * (os.geteuid() == 0)
        opened = playwright.chromium.launch(executable_path=chromium, args=[*sandbox, *arguments])
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def browser_page() -> Iterator[Page]:
    """An empty page; the test is skipped where there is no Chromium."""
    with browser() as opened, page_of(opened) as page:
        yield page


@contextmanager
def page_of(opened: Browser) -> Iterator[Page]:
    """An empty page of a browser, of a person of its own."""
    context = opened.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    try:
        yield page
    finally:
        context.close()


def pictures(page: Page) -> list[int]:
    """Widths of the pictures of the page, as they were decoded; 0 where that failed."""
    found = page.locator("img").all()
    return [int(picture.evaluate("async one => { await one.decode(); return one.naturalWidth }")) for picture in found]


def keep_screenshot(page: Page, name: str) -> None:
    """Save what the page shows, in the folder that TWIG_SCREENSHOTS names, if it names one."""
    if folder := os.environ.get("TWIG_SCREENSHOTS"):
        page.wait_for_timeout(1000)
        page.screenshot(path=Path(folder) / name)
