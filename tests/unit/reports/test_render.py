"""The page."""

import json
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.unit.reports.filler import Filler, copied, drawing
from twig_assets.campaign.unread_works import Unread, keep_unread
from twig_assets.catalog.models import Image
from twig_assets.reports import ReportData, Thumbnails, collect, render
from twig_assets.reports.data import DecisionLine, HistoryLine
from twig_assets.reports.render import Rendered, turn

VOID = {"meta", "img", "br"}


class Checker(HTMLParser):
    """Follows the nesting of tags and gathers addresses and ids."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.images_without_words = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [str(given[name]) for name in ("src", "href", "action", "data") if name in given]
        self.ids += [str(given["id"])] if "id" in given else []
        self.images_without_words += tag == "img" and not given.get("alt")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(filler: Filler, folder: Path) -> str:
    return rendered(filler, collect(filler.session, filler.campaign), folder).page.read_text(encoding="utf-8")


def rendered(filler: Filler, data: ReportData, folder: Path, dated: bool = False) -> Rendered:
    return render(data, thumbnails(filler, data, folder), folder, dated=dated)


def thumbnails(filler: Filler, data: ReportData, folder: Path) -> Thumbnails:
    return Thumbnails(folder / "pictures", filler.store, filler.campaign.references_folder, data.summary.sources)


def fill(filler: Filler) -> None:
    prompt = filler.prompt("salt clock at <b>low</b> tide & more")
    first = filler.image(prompt, copied("clock"))
    filler.audit(first)
    for attempt in range(3):
        image = filler.image(prompt, copied("clock", 9, seed=attempt)[:, ::-1], "regenerated", attempt, first)
        filler.audit(image)
    prompt = filler.prompt("an owl")
    pixels, mask = drawing("owl")
    first = filler.image(prompt, pixels)
    filler.mask(first, mask)
    second = filler.image(prompt, drawing("owl", seed=1)[0], "regenerated", 0, first)
    filler.release(second, filler.audit(second, mask))


def test_the_page_needs_nothing_from_elsewhere_and_is_well_formed(filler: Filler, tmp_path: Path) -> None:
    fill(filler)
    html = page(filler, tmp_path)
    checked = Checker(html)
    assert checked.open == []
    assert checked.images_without_words == 0
    assert len(checked.ids) == len(set(checked.ids))
    for address in checked.addresses:
        assert address.startswith("data:image/") or address.removeprefix("#") in checked.ids
    assert "@import" not in html
    assert "url(" not in html
    assert "<script" not in html


def test_a_reader_sees_at_once_what_is_released_as_asked_and_what_was_caught(filler: Filler, tmp_path: Path) -> None:
    fill(filler)
    html = page(filler, tmp_path)
    top = html[: html.index('id="caught"')]
    assert "1 of 2 prompts are released as asked." in top
    assert "1 is withheld." in top
    assert "4 of them were too similar to a protected work and caught." in top
    assert "All 3 attempts are spent: too similar to a protected work" in top
    assert html.count("Failed attempt") == 3
    assert "work mirrored" in html
    assert "not about infringement" in html


def test_what_people_typed_cannot_become_markup(filler: Filler, tmp_path: Path) -> None:
    fill(filler)
    html = page(filler, tmp_path)
    assert "<b>low</b>" not in html
    assert "&lt;b&gt;low&lt;/b&gt; tide &amp; more" in html
    assert "<title>Stickers &amp; &lt;things&gt;: compliance report</title>" in html


def test_a_published_image_that_fails_by_now_raises_the_alarm(filler: Filler, tmp_path: Path) -> None:
    prompt = filler.prompt("salt clock at low tide")
    image = filler.image(prompt, copied("clock"), "regenerated")
    filler.release(image, filler.audit(image))
    html = page(filler, tmp_path)
    assert "Withdraw 1 published image." in html
    assert "are released as asked" not in html


def test_what_is_out_although_the_judge_cannot_tell_is_in_the_headline_and_at_its_picture(
    filler: Filler, tmp_path: Path
) -> None:
    settings = {**filler.policy.model_dump(), "adherence": {"release_cannot_tell": True}}
    filler.campaign.policy_file.write_text(yaml.safe_dump(settings))
    image = filler.image(filler.prompt("a blorp"), drawing("owl")[0], "regenerated")
    filler.release(image, filler.audit(image, shows="cannot_tell"))
    html = page(filler, tmp_path)
    top, released = html.split('<h2 id="released">')
    assert "0 of 1 prompts are released as asked." in top
    assert "1 more is released although the judge cannot tell whether it shows its prompt" in top
    assert "clean" not in re.sub(r"<style>.*</style>", "", top, flags=re.DOTALL)
    assert "released although the judge cannot tell" in released
    assert "the judge knows none of its words; looks most like owl" in released


def test_an_image_says_what_it_was_asked_for_and_what_it_is_taken_for(filler: Filler, tmp_path: Path) -> None:
    image = filler.image(filler.prompt("an owl"), drawing("owl")[0], "regenerated", 2)
    filler.audit(image, shows="not_as_asked")
    html = page(filler, tmp_path)
    assert "asked for owl, taken for red apple: -0.200 &lt; +0.140" in html.replace("<", "&lt;")
    assert "--campaign demo --who WHO --why WHY</code>" in html


def test_works_that_were_not_compared_are_in_a_banner_and_in_the_json(filler: Filler, tmp_path: Path) -> None:
    file = '<i>"cut".png'
    keep_unread(
        filler.session, "demo", [Unread(file, "is damaged", None, None), Unread("b.png", "is blank", None, None)]
    )
    image = filler.image(filler.prompt("an owl"), drawing("owl")[0], "regenerated")
    filler.audit(image)
    html = page(filler, tmp_path)
    assert "The comparison is incomplete: 2 works were not, or not wholly, compared." in html
    assert '<th scope="row">&lt;i&gt;&#34;cut&#34;.png</th><td class="wrap">it is damaged</td>' in html
    assert "Nothing more is released until" in html
    assert "it complies, as far as it was compared" in html.lower()
    data = json.loads((tmp_path / "report.json").read_text())
    assert (data["complete"], len(data["unread"]), data["counts"]["waiting"]) == (False, 2, 1)
    filler.campaign.policy_file.write_text(f"corpus: {json.dumps({'accept_unread': [file, 'b.png']})}")
    html = page(filler, tmp_path)
    assert "That was accepted for each of them." in html
    assert "Nothing more is released until" not in html
    assert json.loads((tmp_path / "report.json").read_text())["complete"] is False


def test_all_decisions_are_listed_and_a_lapsed_waiver_is_said_at_the_top(filler: Filler, tmp_path: Path) -> None:
    line = DecisionLine(
        made_at=datetime(2026, 5, 1, tzinfo=UTC),
        who="Ada <b>",
        decision="waive",
        why="licensed",
        prompt="an owl",
        image_sha256="ab" * 32,
        verdict="fail: near",
        standing="lapsed: the policy has changed since",
        lapsed=True,
    )
    fill(filler)
    data = collect(filler.session, filler.campaign)
    decisions = [line, line.model_copy(update={"lapsed": False})]
    happened = HistoryLine(
        when=line.made_at,
        who="Ada <b>",
        what="let an image through",
        about="an owl",
        why="licensed",
        then="fail: near",
        today="lapsed: the policy has changed since",
        ended=False,
        image="ab" * 32,
    )
    changed = {"decisions": decisions, "history": [happened, happened]}
    data = replace(data, summary=data.summary.model_copy(update=changed))
    written = rendered(filler, data, tmp_path).page.read_text(encoding="utf-8")
    assert "<b>1 waiver lapsed.</b>" in written
    assert written.count("Ada &lt;b&gt;") == 2
    assert "lapsed: the policy has changed since" in written
    assert Checker(written).open == []


def test_an_empty_campaign_has_a_page_too(filler: Filler, tmp_path: Path) -> None:
    html = page(filler, tmp_path / "new")
    assert "Nothing is released yet." in html
    assert Checker(html).open == []


def test_a_big_image_travels_as_a_thumbnail(filler: Filler, tmp_path: Path) -> None:
    big = np.random.default_rng(0).integers(0, 256, (512, 768, 3), dtype=np.uint8)
    filler.image(filler.prompt("noise"), big)
    html = page(filler, tmp_path)
    [uri] = re.findall(r"data:image/webp;base64,[^\"]+", html)
    assert len(uri) < 200_000


def test_the_json_beside_it_says_the_same_without_the_pictures(filler: Filler, tmp_path: Path) -> None:
    fill(filler)
    html = page(filler, tmp_path)
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    data = json.loads(text)
    assert data["counts"]["failed"] == 4
    assert data["released"][0]["image"]["picture"]["sha256"] in html
    assert "base64" not in text
    assert sorted(path.name for path in tmp_path.glob("*report*")) == ["report.html", "report.json", "report.zip"]


def test_the_chart_counts_every_audited_image_once(filler: Filler) -> None:
    fill(filler)
    chart = collect(filler.session, filler.campaign).summary.spread
    assert [sum(getattr(bar, kind) for bar in chart) for kind in ("released", "held", "failed")] == [1, 0, 4]
    assert all(bar.failed == 0 for bar in chart if bar.high <= 0.6)
    assert all(bar.released == 0 for bar in chart if bar.low >= 0.6)


def big(filler: Filler, count: int) -> None:
    """Prompts with more pictures than one page should hold."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (count, 128, 128, 3), dtype=np.uint8)
    for number in range(count):
        filler.image(filler.prompt(f"noise {number}"), noise[number], "regenerated")


def test_what_the_main_page_has_no_room_for_is_on_pages_beside_it_that_lead_to_each_other(
    filler: Filler, tmp_path: Path
) -> None:
    big(filler, 105)
    data = collect(filler.session, filler.campaign)
    done = rendered(filler, data, tmp_path)
    html = done.page.read_text(encoding="utf-8")
    assert len(html) < 5_000_000
    assert done.pages == 2
    [first, second] = sorted(tmp_path.glob("pages-*/*.html"))
    assert f'href="{first.parent.name}/{first.name}"' in html
    texts = [path.read_text(encoding="utf-8") for path in (first, second)]
    assert [len(re.findall(r"<h3>noise \d+</h3>", text)) for text in texts] == [100, 5]
    assert f'href="{second.name}"' in texts[0]
    assert f'href="{first.name}"' in texts[1]
    assert 'href="../report.html#prompts"' in texts[1]
    for text in texts:
        shown = re.findall(r'src="\.\./(pictures/[^"]+)"', text)
        assert shown
        assert all((tmp_path / name).is_file() for name in shown)


def test_the_zip_has_all_that_the_pages_name_and_no_other_picture(filler: Filler, tmp_path: Path) -> None:
    big(filler, 105)
    (tmp_path / "pictures" / "ab").mkdir(parents=True)
    (tmp_path / "pictures" / "ab" / f"{'ab' * 32}.png").write_bytes(b"of an earlier report")
    done = rendered(filler, collect(filler.session, filler.campaign), tmp_path)
    with zipfile.ZipFile(done.zip) as archive:
        names = set(archive.namelist())
    pages = {path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("pages-*/*.html")}
    assert pages < names
    assert names - pages - {"report.html", "report.json"} == {
        f"pictures/{image.sha256[:2]}/{image.sha256}.png" for image in filler.session.query(Image)
    }


def test_pages_go_with_the_next_report_unless_they_belong_to_one_that_bears_a_date(
    filler: Filler, tmp_path: Path
) -> None:
    big(filler, 61)
    stamps = [datetime(2026, 5, day, tzinfo=UTC) for day in (1, 2, 3)]
    reports = [collect(filler.session, filler.campaign, now=stamp) for stamp in stamps]
    for data, dated in zip(reports, (True, False, False), strict=True):
        rendered(filler, data, tmp_path, dated=dated)
    assert [path.name for path in sorted(tmp_path.glob("pages-*"))] == [
        "pages-20260501T000000.000000Z",
        "pages-20260503T000000.000000Z",
    ]
    [dated_page] = tmp_path.glob("report-*.html")
    assert "pages-20260501T000000.000000Z/" in dated_page.read_text(encoding="utf-8")
    assert json.loads(dated_page.with_suffix(".json").read_text())["counts"]["asked"] == 61


def test_a_small_picture_is_made_once_and_kept(filler: Filler, tmp_path: Path) -> None:
    fill(filler)
    page(filler, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("pictures/*/*")}
    for image in filler.session.query(Image):
        filler.store.path(image.sha256, "png").unlink(missing_ok=True)
    assert "the file of this picture is missing" not in page(filler, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("pictures/*/*")} == before != {}


def test_a_picture_that_is_gone_leaves_a_gap_and_no_error(filler: Filler, tmp_path: Path) -> None:
    image = filler.image(filler.prompt("an owl"), drawing("owl")[0])
    filler.store.path(image.sha256, "png").unlink()
    assert "the file of this picture is missing" in page(filler, tmp_path)


def test_prompts_that_named_something_protected_are_listed_with_what_they_named(filler: Filler, tmp_path: Path) -> None:
    filler.prompt("Salt clok at low tide, in oil")
    filler.prompt("an owl")
    html = page(filler, tmp_path)
    section = html[html.index('<h2 id="named">') : html.index('<h2 id="caught">')]
    assert "Salt clok at low tide</td>" not in section
    assert 'Salt clok at low tide <span class="soft">(for salt clock at low tide)</span>' in section
    assert "an owl" not in section
    assert json.loads((tmp_path / "report.json").read_text())["counts"]["named"] == 1


def test_what_was_withdrawn_is_listed_with_the_reason_and_counted(filler: Filler, tmp_path: Path) -> None:
    image = filler.image(filler.prompt("a fox"), drawing("fox")[0], "regenerated")
    release = filler.release(image, filler.audit(image))
    release.withdrawn_at, release.reason = datetime(2026, 5, 1, tzinfo=UTC), "its image is now: <fail>"
    filler.session.flush()
    html = page(filler, tmp_path)
    assert '<div class="bad"><dt>Withdrawn since</dt><dd>1</dd></div>' in html
    assert "its image is now: &lt;fail&gt;" in html
    assert image.sha256[:12] in html


def test_every_image_has_its_short_id(filler: Filler, tmp_path: Path) -> None:
    fill(filler)
    html = page(filler, tmp_path)
    for image in filler.session.query(Image):
        assert f">{image.sha256[:12]}</code>" in html


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (None, "as it is"),
        ("identity", "as it is"),
        ("mirror", "mirrored"),
        ("rotate-90", "turned a quarter left"),
        ("mirror-rotate-180", "mirrored and turned upside down"),
        ("rotate-270", "turned a quarter right"),
    ],
)
def test_orientations_are_told_in_plain_words(transform: str | None, words: str) -> None:
    assert turn(transform) == words


def test_two_that_write_a_report_at_the_same_moment_do_not_take_each_others_files(
    filler: Filler, tmp_path: Path
) -> None:
    fill(filler)
    reports = [collect(filler.session, filler.campaign) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda data: rendered(filler, data, tmp_path), reports))
    assert done[0].page.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert zipfile.ZipFile(done[0].zip).testzip() is None
    assert sorted(path.name for path in tmp_path.glob("*report*")) == ["report.html", "report.json", "report.zip"]
