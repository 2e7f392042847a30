"""What `twig status` shows of campaigns, whatever the terminal's width."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import ConsoleDimensions
from typer.testing import CliRunner

from twig_assets import status
from twig_assets.cli import app
from twig_assets.cli.app import Heard
from twig_assets.status import CampaignStatus, InstallationStatus


@pytest.mark.parametrize("columns", [80, 160])
def test_every_figure_can_be_read_on_a_narrow_terminal_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("TWIG_HOME", str(tmp_path))
    campaigns = (CampaignStatus(name="autumn-and-winter", asked=1200, withdrawn=34, to_draw=5),)
    said = InstallationStatus(at=datetime(2026, 11, 29, tzinfo=UTC), campaigns=campaigns)
    monkeypatch.setattr(status, "installation_status", lambda *_: said)
    monkeypatch.setattr(Heard, "size", ConsoleDimensions(columns, 25))
    shown = CliRunner().invoke(app, ["status"]).output
    for word in ("autumn-and-winter", "1200", "withdrawn", "34", "to draw", "lacks"):
        assert word in shown
    assert ("1200 asked" in shown) is (columns == 80)


@pytest.mark.parametrize(("options", "read"), [([], "served"), (["--root", "named"], "named")])
def test_commands_look_where_dagster_looks_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], read: str
) -> None:
    monkeypatch.setenv("TWIG_HOME", str(tmp_path))
    monkeypatch.setenv("TWIG_CAMPAIGNS", "served")
    asked: list[Path] = []

    def installation_status(_catalog: object, root: Path, _dagster: object) -> InstallationStatus:
        asked.append(root)
        return InstallationStatus(at=datetime(2026, 11, 29, tzinfo=UTC), campaigns=())

    monkeypatch.setattr(status, "installation_status", installation_status)
    assert CliRunner().invoke(app, ["status", *options]).exit_code == 0
    assert asked == [Path(read)]
