"""The desk in a real browser: by keys, by two people at once, at phone width, and with markup in every text."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.integration.browsing import browser_page, keep_screenshot
from tests.unit.desk.conftest import behind, copy_campaign, fill
from tests.unit.reports.filler import Filler
from twig_assets.campaign import load_campaign
from twig_assets.catalog.models import Prompt, Reference, Review
from twig_assets.desk import desk_app, read_settings

HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>[a](javascript:window.hit=1)'
SERIOUS = ("serious", "critical")


@dataclass
class Served:
    """A desk on a port of its own."""

    url: str
    folder: Path


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("TWIG_HOME", str(tmp_path / "home"))
    copy_campaign(tmp_path / "campaigns" / "demo")
    catalog, store = behind(tmp_path)
    with catalog.session() as session:
        filler = Filler(session, store, load_campaign("demo", tmp_path / "campaigns"))
        fill(filler)
        session.query(Prompt).filter(Prompt.text == "an owl").update({"text": HOSTILE})
        session.query(Reference).update({"title": HOSTILE, "rights_holder": HOSTILE, "licence": HOSTILE})
    app = desk_app(catalog, store, tmp_path / "campaigns", read_settings())
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Served(f"http://127.0.0.1:{port}", tmp_path)
    server.should_exit = True
    thread.join()
    catalog.close()


def enter(page: Page, served: Served, name: str) -> None:
    page.goto(f"{served.url}/door?back=/queue")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Enter").click()
    page.wait_for_url("**/queue")


def serious(page: Page) -> list[str]:
    """What a screen reader's user would stumble over."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found if one["impact"] in SERIOUS]


def reviews(served: Served) -> list[tuple[str, str]]:
    catalog, _ = behind(served.folder)
    with catalog.session() as session:
        made = [(row.who, row.decision) for row in session.query(Review).order_by(Review.id)]
    catalog.close()
    return made


def test_the_queue_is_decided_by_keys_and_the_last_decision_is_undone(served: Served) -> None:
    with browser_page() as page:
        enter(page, served, "Ada")
        keep_screenshot(page, "desk-queue.png")
        page.keyboard.press("Enter")
        page.wait_for_selector("form.decide")
        keep_screenshot(page, "desk-image.png")
        for key, headings in (("x", 1), ("2", 0), ("a", 1), ("r", 1)):
            before = page.url
            page.keyboard.press(key)
            if headings:
                page.wait_for_url(lambda url, before=before: url != before)
        page.wait_for_url("**/queue?*")
        assert "0 wait for a person" in page.inner_text("h1")
        made = reviews(served)
        assert [decision for _, decision in made] == ["reject"] * 3 + ["waive", "reject"]
        page.get_by_role("link", name="Back to it").click()
        page.wait_for_selector("form.decide")
        page.keyboard.press("u")
        page.wait_for_selector("text=Why it is held")
        assert reviews(served)[-1] == ("Ada", "lift")


def test_two_people_at_once_and_many_at_once(served: Served) -> None:
    with browser_page() as ada:
        enter(ada, served, "Ada")
        ada.keyboard.press("Enter")
        ada.wait_for_selector("form.decide")
        bob = ada.context.browser.new_context().new_page()  # type: ignore[union-attr]
        enter(bob, served, "Bob")
        bob.get_by_label("mark all on this page").check()
        bob.get_by_label("Decision").select_option("reject")
        bob.get_by_label("Why").fill("not this season")
        bob.get_by_role("button", name="See what this does").click()
        bob.wait_for_selector("text=This rejects 3 images")
        bob.get_by_role("button", name="Do it").click()
        bob.wait_for_selector("h1")
        ada.keyboard.press("a")
        ada.wait_for_selector("text=That was not done")
        assert "Bob decided meanwhile: reject, not this season" in ada.inner_text("main")
        assert {who for who, _ in reviews(served)} == {"Bob"}


def test_text_of_users_is_never_markup_and_nothing_is_asked_of_elsewhere(served: Served) -> None:
    with browser_page() as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        enter(page, served, HOSTILE[:70])
        for address in ("/", "/queue", "/history/demo", "/cleared"):
            page.goto(served.url + address)
            assert page.evaluate("window.hit") is None
        page.goto(f"{served.url}/queue?kind=not_as_asked")
        page.locator(".item h2 a").first.click()
        page.wait_for_selector("form.decide")
        page.fill("input[name=why]", HOSTILE)
        page.get_by_role("button", name="Reject").first.click()
        page.goto(f"{served.url}/history/demo")
        assert HOSTILE in page.inner_text("main")
        assert page.evaluate("window.hit") is None
        assert all(url.startswith((served.url, "data:")) for url in asked)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone_and_a_screen_reader(served: Served, scheme: str) -> None:
    with browser_page() as page:
        page.set_viewport_size({"width": 390, "height": 844})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        enter(page, served, "Ada")
        page.locator(".item h2 a").first.click()
        page.wait_for_selector("form.decide")
        image = page.url
        page.keyboard.press("r")
        page.wait_for_url(lambda url: url != image)
        page.wait_for_load_state()
        for address in (image, *(served.url + path for path in ("/", "/queue", "/history/demo", "/cleared", "/door"))):
            page.goto(address)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
            assert serious(page) == [], address


def test_a_dropped_file_is_recognised(served: Served) -> None:
    with browser_page() as page:
        enter(page, served, "Ada")
        page.goto(f"{served.url}/queue?kind=not_as_asked")
        sha256 = str(page.locator(".item img").first.get_attribute("src")).split("/")[2].split("?")[0]
        _, store = behind(served.folder)
        page.goto(f"{served.url}/cleared")
        page.set_input_files("input[type=file]", str(store.path(sha256, "png")))
        page.get_by_role("button", name="Ask").click()
        page.wait_for_selector("text=Not cleared.")
        assert "never released" in page.inner_text("main")
