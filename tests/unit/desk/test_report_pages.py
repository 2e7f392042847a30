"""The report on the desk: its page, and what that names."""

from pathlib import Path

import pytest

from tests.unit.desk.conftest import Opened
from twig_assets.campaign import load_campaign
from twig_assets.reports import write_report


@pytest.fixture
def reported(desk: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    monkeypatch.setenv("TWIG_HOME", str(tmp_path / "home"))
    desk.enter()
    return desk


def test_a_report_that_was_not_written_yet_is_said_to_be_missing(reported: Opened) -> None:
    answer = reported.client.get("/report/demo")
    assert answer.status_code == 404
    assert "the report was written again, or not yet" in answer.text


def test_the_report_is_shown_with_the_files_beside_it_and_with_no_others(reported: Opened) -> None:
    written = write_report(load_campaign("demo", reported.root), reported.catalog, reported.store)
    answer = reported.client.get("/report/demo")
    assert answer.url.path == "/report/demo/report.html"
    assert "Compliance report of the campaign" in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]
    folder = written.files.page.parent
    picture = next(path.relative_to(folder).as_posix() for path in folder.glob("pictures/*/*"))
    for name in (picture, "report.json", "report.zip"):
        assert reported.client.get(f"/report/demo/{name}").status_code == 200
    (folder / "secret").write_text("secret")
    for name in ("secret", "../../catalog.db", "%2e%2e/%2e%2e/catalog.db", ".writing"):
        assert reported.client.get(f"/report/demo/{name}").status_code == 404
