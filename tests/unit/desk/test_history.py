"""The history of a campaign: everything that people decided, and what ended by itself."""

import json
import re
from html import unescape

import pytest
from rich.console import ConsoleDimensions
from typer.testing import CliRunner

from tests.unit.desk.conftest import Opened
from twig_assets.campaign import load_campaign
from twig_assets.campaign.allowed_elements import allow, lift_element
from twig_assets.catalog.models import Reference, Review
from twig_assets.cli import app
from twig_assets.cli.app import Heard
from twig_assets.reports import write_report


def listed(page: str) -> list[list[str]]:
    """The cells of the table's rows, as text."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.DOTALL)
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]
    return [[unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in row] for row in cells]


def happen(desk: Opened) -> None:
    """One of each: a rejection and its end, a waiver that lapses, an allowed work and its end, changed thresholds."""
    copy, owl, cow = desk.items()
    desk.enter("Ada")
    assert desk.decide(owl, "reject", "no <owl>") == 303
    desk.enter("Bob")
    with desk.catalog.snapshot() as session:
        newest = session.query(Review).one().id
    assert desk.decide(owl, "lift", "it is one", seen=newest) == 303
    assert desk.decide(cow, "waive", "a fine cow") == 303
    with desk.catalog.session() as session:
        work = session.query(Reference).filter_by(campaign="demo", status="active").first()
        assert work is not None
        element = allow(session, "demo", work.sha256, "licensed", "Cyd", "our own")
        lift_element(session, "demo", element.id, "Dan", "it ran out")
    page = desk.client.get("/thresholds/demo").text
    seen = re.search(r'name="seen" value="([0-9a-f]{64})"', page)
    assert seen
    form = {"seen": seen[1], "why": "stricter", "ssim_threshold": "0.45", "token": desk.token}
    assert desk.client.post("/thresholds/demo", data=form).status_code == 200


def test_desk_and_report_list_decisions_lifts_lapses_allowed_works_and_thresholds(desk: Opened) -> None:
    desk.enter()
    happen(desk)
    page = desk.client.get("/history/demo").text
    rows = listed(page)[1:]
    what = [(row[1], row[2]) for row in rows]
    for event in (
        ("Ada", "rejected an image"),
        ("Bob", "lifted a rejection by Ada"),
        ("Bob", "let an image through"),
        ("–", "the waiver by Bob lapsed"),
        ("Cyd", "allowed a work"),
        ("Dan", "lifted what Cyd had allowed"),
        ("Bob", "changed thresholds"),
    ):
        assert event in what, what
    assert len(rows) == 7
    times = re.findall(r'datetime="([^"]+)"', page)
    assert times == sorted(times, reverse=True)
    assert [row[6] for row in rows if row[2] == "rejected an image"] == ["lifted by Bob"]
    assert "ssim threshold 0.5 -> 0.45" in [row[3] for row in rows]
    report = write_report(load_campaign("demo", desk.root), desk.catalog, desk.store)
    section = report.files.page.read_text("utf-8").partition('id="history"')[2].partition("</section>")[0]
    assert [(row[1], row[2]) for row in listed(section)[1:]] == what
    assert "no &lt;owl&gt;" in section


def test_the_command_lists_the_history_that_the_desk_shows_the_oldest_first(
    desk: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.enter()
    happen(desk)
    shown = [row[1:3] + row[4:] for row in listed(desk.client.get("/history/demo").text)[1:]]
    monkeypatch.setenv("TWIG_CATALOG_URL", str(desk.catalog.engine.url))
    command = ["review", "--campaign", "demo", "--root", str(desk.root), "--history"]
    result = CliRunner().invoke(app, [*command, "--json"])
    assert result.exit_code == 0, result.output
    events = json.loads(result.stdout)[::-1]
    assert [[e["who"] or "–", e["what"], e["why"], e["then"], e["today"]] for e in events] == shown
    assert all(len(event["image"]) == 64 for event in events if event["what"] == "rejected an image")
    monkeypatch.setattr(Heard, "size", ConsoleDimensions(250, 25))
    table = CliRunner().invoke(app, command)
    assert table.stdout.index("rejected an image") < table.stdout.index("changed thresholds")
    assert "no <owl>" in table.stdout


def test_a_policy_that_was_changed_by_hand_is_told_without_a_name(desk: Opened) -> None:
    from twig_assets.compliance.policy_changes import judge_by_stored_scores

    policy = desk.root / "demo" / "policy.yaml"
    policy.write_text(policy.read_text("utf-8").replace("ssim_threshold: 0.5", "ssim_threshold: 0.41", 1), "utf-8")
    judge_by_stored_scores(desk.catalog, load_campaign("demo", desk.root), by="test")
    desk.enter()
    [row] = listed(desk.client.get("/history/demo").text)[1:]
    assert row[1:5] == [
        "–",
        "thresholds were changed in policy.yaml",
        "ssim threshold 0.5 -> 0.41",
        "nobody's name is on record; first used then",
    ]
