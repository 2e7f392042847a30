"""What `twig review` takes for a decision."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from twig_assets.cli import app


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--who", "Ada"], "names no image to decide about"),
        (["--lift"], "names no image to decide about"),
        (["3fa94c01", "--who", "Ada", "--why", "x", "--against", "--lift"], "give one of them"),
        (["3fa94c01", "--who", "Ada", "--why", "x"], "there are several: autumn, spring; say which"),
        (["--out", "audit", "--history"], "leave one of them out"),
    ],
)
def test_half_a_decision_is_refused(
    options: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("autumn", "spring"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "campaign.yaml").write_text("title: x\n")
    result = CliRunner().invoke(app, ["review", *options, "--root", str(tmp_path)])
    assert result.exit_code == 2
    assert told in result.output
