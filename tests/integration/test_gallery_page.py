"""The page of an audit in a browser: what it says that other thresholds would decide."""

import random
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page

from tests.integration.browsing import browser_page
from twig_assets.folder_audit import audit_folder
from twig_assets.model_zoo import planted
from twig_assets.similarity import Policy, verdict_of_scores

CASES = 1500
BASE = Policy()
FIELDS = {
    "ssim_threshold": [0.3, 0.5, 0.6, 0.9, 1.0],
    "iw_ssim_threshold": [None, 0.1, 0.35, 0.6],
    "review_margin": [0.0, 0.05, 0.1, 0.3],
    "hog_cosine_at_least": [None, 0.5, 0.85, 1.0],
    "pdq_distance_at_most": [None, 0, 31, 90],
    "sift_inliers_at_least": [None, 3, 12],
    "alignment_strength_at_least": [None, 0.5, 1.8],
}
# Scores that lie on thresholds, on their margins and beside them.
VALUES: dict[str, list[float | None]] = {
    "ssim": [0.1, 0.3, 0.45, 0.55, 0.5499999999999999, 0.6, 0.9, 0.999, 1.0],
    "iw_ssim": [-0.1, 0.1, 0.25, 0.3, 0.29999999999999999, 0.35, 0.6, 0.8],
    "hog_cosine": [0.2, 0.5, 0.7225, 0.73, 0.85, 0.84999, 1.0, None],
    "pdq_distance": [0, 31, 32, 36, 37, 90, 128, None],
    "sift_inliers": [0, 3, 11, 12, 40],
    "alignment_strength": [0.0, 0.5, 1.8, 7.5, None],
}


def pages_audit(folder: Path) -> Path:
    """An audit of a copy, of a picture that copies nothing, and of a file that is none."""
    images, works = folder / "images", folder / "works"
    images.mkdir()
    works.mkdir()
    work, other = (planted.picture(planted.WORKS[i]) for i in (0, 3))
    Image.fromarray(work).save(works / "work.png")
    Image.fromarray(work).save(images / "copy.png")
    Image.fromarray(other).save(images / "other.png")
    (images / "text <b>.png").write_text("no picture")
    audit_folder(images, works, BASE, folder / "out", sample=0)
    return folder / "out" / "gallery.html"


def drawn_cases(keys: list[str]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Images with stored scores, and thresholds."""
    rng = random.Random(7)
    cases = []
    for _ in range(CASES):
        matches = [{key: rng.choice(VALUES.get(key, [None])) for key in keys} for _ in range(rng.randint(1, 3))]
        best = {key: _nearest(key, [match[key] for match in matches]) for key in keys}
        thresholds = {name: rng.choice(values) for name, values in FIELDS.items()}
        verdict = rng.choice(["pass", "review", "fail", "fail", "inconclusive"])
        cases.append(({"verdict": verdict, "scores": best, "matches": matches}, thresholds))
    return cases


def _nearest(key: str, scores: list[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return (min if key == "pdq_distance" else max)(known, default=None)


def python_says(image: dict[str, Any], thresholds: dict[str, Any]) -> str | None:
    policy = Policy(**{**BASE.model_dump(), **thresholds})
    # Images of folders have no masks.
    scores = {**image["scores"], "masked_ssim": None, "masked_iw_ssim": None}
    used = policy.model_dump(mode="json")
    stored = verdict_of_scores(scores, used, image["verdict"], policy, image["matches"])
    return stored.verdict if stored else None


def script_says(page: Page, cases: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[str | None]:
    listed = """cases => cases.map(([image, moved]) => verdictUnder(
        {verdict: image.verdict, scores: data.keys.map(key => image.scores[key]),
         matches: image.matches.map(match => data.keys.map(key => match[key]))},
        {...data.thresholds, ...moved}))"""
    return list(page.evaluate(listed, [[image, thresholds] for image, thresholds in cases]))


def test_the_page_judges_stored_scores_as_the_audit_does(tmp_path: Path) -> None:
    path = pages_audit(tmp_path)
    with browser_page() as page:
        page.goto(path.as_uri())
        keys = page.evaluate("data.keys")
        assert {"ssim", "iw_ssim", "hog_cosine", "pdq_distance"} <= set(keys)
        cases = drawn_cases(keys)
        expected = [python_says(image, thresholds) for image, thresholds in cases]
        assert script_says(page, cases) == expected
    assert {None, "pass", "review", "fail", "inconclusive"} == set(expected)


def test_a_moved_threshold_shows_what_it_would_decide_and_the_way_back(tmp_path: Path) -> None:
    path = pages_audit(tmp_path)
    with browser_page() as page:
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.goto(path.as_uri())
        cards = page.locator("[data-image]")
        assert [cards.nth(i).locator("h3").inner_text() for i in range(3)] == ["copy.png", "text <b>.png", "other.png"]
        assert page.locator("#now-fail").inner_text() == "1"
        for field in ("hog_cosine_at_least", "ssim_threshold"):
            page.locator(f"#t-{field}").evaluate("e => { e.value = e.min; e.dispatchEvent(new Event('input')) }")
        page.locator("#t-iw_ssim_threshold ~ .on input").uncheck()
        assert page.locator("#now-fail").inner_text() == "2 (+1)"
        assert cards.nth(2).locator(".would").inner_text() == "would be: fails"
        assert not cards.nth(0).locator(".would").is_visible()
        assert "iw_ssim_threshold: null" in str(page.locator("#policy").text_content())
        page.get_by_role("button", name="cannot be judged").click()
        assert [cards.nth(i).is_visible() for i in range(3)] == [False, True, False]
        page.get_by_role("button", name="all", exact=True).click()
        page.locator("#reset").click()
        assert page.locator("#now-fail").inner_text() == "1"
        assert all(cards.nth(i).is_visible() for i in range(3))
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert errors == []
