"""The desk in a real browser: by keys, by two people at once, at phone width, and with markup in every text."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import argon2
import numpy as np
import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.integration.browsing import browser, keep_screenshot, page_of
from tests.unit.catalog.filled import let_change
from tests.unit.desk.conftest import behind, fill_folder
from twig_assets.catalog.models import Prompt, Reference, Review, UnreadWork
from twig_assets.desk import desk_app, read_settings
from twig_assets.desk.settings import ROLES

HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>[a](javascript:window.hit=1)'
SERIOUS = ("serious", "critical")
PAGES = ("/", "/queue", "/history/demo", "/cleared", "/thresholds/demo", "/allowed/demo", "/work/demo/1")
ACCOUNTS = "".join(f"{role}:{role}:{argon2.PasswordHasher(1, 8, 1).hash(role)}\n" for role in ROLES)


@dataclass
class Served:
    """A desk on a port of its own."""

    url: str
    folder: Path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a campaign, a catalog and its pictures; made once."""
    return fill_folder(tmp_path_factory.mktemp("filled"))


@pytest.fixture
def served(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Served]:
    monkeypatch.setenv("TWIG_HOME", str(tmp_path / "home"))
    if accounts := getattr(request, "param", ""):
        (tmp_path / "accounts").write_text(accounts, encoding="utf-8")
        monkeypatch.setenv("TWIG_DESK_USERS", str(tmp_path / "accounts"))
    folder = Path(shutil.copytree(filled, tmp_path / "desk"))
    catalog, store = behind(folder)
    app = desk_app(catalog, store, folder / "campaigns", read_settings(), lambda: False)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Served(f"http://127.0.0.1:{port}", folder)
    server.should_exit = True
    thread.join()
    catalog.close()


def put_markup(served: Served) -> None:
    """Put markup into all texts of the catalog that come from users; before the desk has read any."""
    catalog, _ = behind(served.folder)
    with catalog.session() as session:
        let_change(session, "prompt")
        session.query(Prompt).filter(Prompt.text == "an owl").update({"text": HOSTILE})
        session.query(Reference).update({"title": HOSTILE, "rights_holder": HOSTILE, "licence": HOSTILE})
        session.add(UnreadWork(campaign="demo", file=HOSTILE, sha256=None, reason=HOSTILE))
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


def test_the_queue_is_decided_by_keys_and_the_last_decision_is_undone(served: Served, chromium: Browser) -> None:
    with page_of(chromium) as page:
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


def test_two_people_at_once_and_many_at_once(served: Served, chromium: Browser) -> None:
    with page_of(chromium) as ada, ExitStack() as others:
        enter(ada, served, "Ada")
        ada.keyboard.press("Enter")
        ada.wait_for_selector("form.decide")
        bob = others.enter_context(page_of(chromium))
        enter(bob, served, "Bob")
        bob.get_by_label("mark all on this page").check()
        bob.get_by_label("Decision").select_option("reject")
        bob.locator("form.bulk input[name=why]").fill("not this season")
        bob.get_by_role("button", name="See what this does").click()
        bob.wait_for_selector("text=This rejects 3 images")
        bob.get_by_role("button", name="Do it").click()
        bob.wait_for_selector("text=3 images are rejected")
        ada.keyboard.press("a")
        ada.wait_for_selector("text=That was not done")
        assert "Bob decided meanwhile: reject, not this season" in ada.inner_text("main")
        assert {who for who, _ in reviews(served)} == {"Bob"}
        bob.get_by_role("button", name="Undo all of it").click()
        bob.wait_for_url("**/queue*")
        assert [decision for _, decision in reviews(served)] == ["reject"] * 3 + ["lift"] * 3


def said_everywhere(page: Page, served: Served) -> None:
    """Put markup into every field that takes text on the pages about works, thresholds and next steps."""
    page.goto(f"{served.url}/work/demo/1")
    page.fill("form.allow input[name=why]", HOSTILE)
    page.get_by_role("button", name="Allow it").click()
    page.wait_for_selector("text=What was decided")
    page.goto(f"{served.url}/thresholds/demo?ssim_threshold=0.6")
    page.fill("form[data-save] input[name=why]", HOSTILE)
    page.get_by_role("button", name="Save as the policy").click()
    page.wait_for_selector("text=Changes made here")
    page.goto(f"{served.url}/queue?kind=cannot_tell")
    page.locator(".item h2 a").first.click()
    form = page.locator("form", has=page.get_by_text("Draw it once more"))
    form.locator("input[name=why]").fill(HOSTILE)
    form.get_by_role("button").click()
    page.wait_for_selector("text=No Dagster daemon runs")
    page.goto(f"{served.url}/queue?kind=unread")
    page.locator("form[action='/unread/demo'] input[name=why]").fill(HOSTILE)
    page.get_by_role("button", name="Accept that").click()
    page.wait_for_url("**/queue*")


def test_text_of_users_is_never_markup_and_nothing_is_asked_of_elsewhere(served: Served, chromium: Browser) -> None:
    put_markup(served)
    with page_of(chromium) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        enter(page, served, HOSTILE[:70])
        for address in PAGES:
            page.goto(served.url + address)
            assert page.evaluate("window.hit") is None
        said_everywhere(page, served)
        page.goto(f"{served.url}/queue?kind=not_as_asked")
        page.locator(".item h2 a").first.click()
        page.wait_for_selector("form.decide")
        page.fill("input[name=why]", HOSTILE)
        page.get_by_role("button", name="Reject").first.click()
        page.goto(f"{served.url}/history/demo")
        assert HOSTILE in page.inner_text("main")
        assert page.evaluate("window.hit") is None
        for address in PAGES:
            page.goto(served.url + address)
            assert page.evaluate("window.hit") is None, address
        assert all(url.startswith((served.url, "data:")) for url in asked)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone_and_a_screen_reader(served: Served, chromium: Browser, scheme: str) -> None:
    put_markup(served)
    with page_of(chromium) as page:
        page.set_viewport_size({"width": 390, "height": 844})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        enter(page, served, "Ada")
        page.locator(".item h2 a").first.click()
        page.wait_for_selector("form.decide")
        image = page.url
        page.keyboard.press("r")
        page.wait_for_url(lambda url: url != image)
        page.wait_for_load_state()
        for address in (image, *(served.url + path for path in (*PAGES, "/door"))):
            page.goto(address)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
            assert serious(page) == [], address


def test_a_dropped_file_is_recognised(served: Served, chromium: Browser) -> None:
    with page_of(chromium) as page:
        enter(page, served, "Ada")
        page.goto(f"{served.url}/queue?kind=not_as_asked")
        sha256 = str(page.locator(".item img").first.get_attribute("src")).split("/")[2].split("?")[0]
        _, store = behind(served.folder)
        page.goto(f"{served.url}/cleared")
        page.set_input_files("input[type=file]", str(store.path(sha256, "png")))
        page.get_by_role("button", name="Ask").click()
        page.wait_for_selector("text=Not cleared.")
        assert "never released" in page.inner_text("main")


def test_an_unknown_file_is_compared_with_the_works_without_being_chosen_again(
    served: Served, chromium: Browser, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    Image.fromarray(noise).save(tmp_path / "unknown.png")
    with page_of(chromium) as page:
        page.set_viewport_size({"width": 390, "height": 844})
        enter(page, served, "Ada")
        page.goto(f"{served.url}/cleared")
        page.set_input_files("input[type=file]", str(tmp_path / "unknown.png"))
        page.get_by_role("button", name="Ask").click()
        page.wait_for_selector("text=Unknown.")
        assert serious(page) == []
        page.get_by_role("button", name="Compare it with the works").click()
        page.wait_for_selector("text=Nothing alike was found")
        assert "unknown.png" in page.inner_text("main")
        assert serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_slider_shows_what_it_does_before_it_is_saved(served: Served, chromium: Browser) -> None:
    with page_of(chromium) as page:
        enter(page, served, "Ada")
        page.goto(f"{served.url}/thresholds/demo")
        assert "No prompt would change." in page.inner_text("#counts")
        for name in ("pdq_distance_at_most", "hog_cosine_at_least"):
            page.locator(f"input[type=range][name={name}]").fill("1")
        page.locator("input[type=range][name=hog_cosine_at_least]").fill("0.1")
        page.wait_for_selector("#counts h2")
        keep_screenshot(page, "desk-thresholds.png")
        changed = page.inner_text("#counts h2")
        page.fill("form[data-save] input[name=why]", "a trial")
        page.get_by_role("button", name="Save as the policy").click()
        page.wait_for_selector("text=Changes made here")
        assert "hog cosine at least 0.85 → 0.1" in page.inner_text("main")
        assert changed != page.inner_text("#counts")
        policy = (served.folder / "campaigns" / "demo" / "policy.yaml").read_text("utf-8")
        assert "Ada: a trial\nhog_cosine_at_least: 0.1\n" in policy


def test_a_part_is_drawn_on_a_work(served: Served, chromium: Browser) -> None:
    with page_of(chromium) as page:
        enter(page, served, "Ada")
        page.goto(f"{served.url}/work/demo/1")
        place = page.locator(".drawn img").bounding_box()
        assert place
        page.mouse.move(place["x"] + 0.25 * place["width"], place["y"] + 0.5 * place["height"])
        page.mouse.down()
        page.mouse.move(place["x"] + 0.75 * place["width"], place["y"] + place["height"] - 1)
        page.mouse.up()
        keep_screenshot(page, "desk-allowed.png")
        assert page.locator("[name=what]").input_value() == "part"
        values = [float(page.locator(f"form.allow input[name={name}]").input_value()) for name in ("x", "y", "width")]
        assert values == pytest.approx([25, 50, 50], abs=1)
        page.fill("form.allow input[name=why]", "our own pattern")
        page.get_by_role("button", name="Allow it").click()
        page.wait_for_selector("text=What was decided")
        assert "by Ada: our own pattern" in page.inner_text("main")


@pytest.mark.parametrize("served", [ACCOUNTS], indirect=True)
def test_roles_decide_which_buttons_there_are(served: Served, chromium: Browser) -> None:
    seen = {}
    with page_of(chromium) as page:
        for role in ROLES:
            page.goto(f"{served.url}/door?back=/queue")
            page.get_by_label("Name").fill(role)
            page.get_by_label("Password").fill(role)
            page.get_by_role("button", name="Enter").click()
            page.wait_for_url("**/queue")
            page.locator(".item h2 a").first.click()
            page.wait_for_selector("form.decide")
            seen[role] = {word for word in ("Let through", "Reject", "Ask for another attempt", "Ask for its removal")
                          if page.get_by_role("button", name=word, exact=False).count()}  # fmt: skip
            page.goto(f"{served.url}/thresholds/demo")
            seen[role] |= {"Save"} if page.get_by_role("button", name="Save as the policy").count() else set()
            page.get_by_role("button", name="leave").click()
    assert seen["reader"] == set()
    assert seen["reviewer"] == {"Reject", "Ask for another attempt"}
    assert {"Let through", "Reject", "Ask for another attempt", "Save"} <= seen["approver"]
