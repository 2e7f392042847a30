"""`twig export` and `twig export verify` as people type them."""

import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from tests.unit.export.conftest import Releases
from tests.unit.reports.filler import DEMO
from twig_assets.cli import app

Twig = Callable[..., Result]


@pytest.fixture
def twig(releases: Releases, monkeypatch: pytest.MonkeyPatch) -> Twig:
    monkeypatch.setenv("TWIG_CATALOG_URL", releases.catalog.url)
    monkeypatch.setenv("TWIG_ARTIFACTS", str(releases.store.root))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    return run


def test_an_export_is_made_checked_and_found_to_be_changed(releases: Releases, twig: Twig) -> None:
    out = releases.folder / "spring"
    made = twig("export", "--campaign", "demo", "--root", str(DEMO.parent), "--out", str(out), "--zip")
    assert made.exit_code == 0, made.output
    assert "1 images of demo" in made.output
    assert "left out, although it is published: a fox (rejected by a person)" in made.output
    seal = made.output.split("Seal: ")[1].split()[0]
    assert twig("export", "verify", str(out), "--seal", seal).exit_code == 0
    assert twig("export", "verify", f"{out}.zip", "--seal", seal).exit_code == 0
    (out / "manifest.csv").write_text("nothing")
    checked = twig("export", "verify", str(out), "--json")
    assert checked.exit_code == 1
    assert json.loads(checked.stdout)["problems"] == [{"file": "manifest.csv", "what": "changed"}]


def test_an_export_needs_a_place(twig: Twig) -> None:
    asked = twig("export", "--campaign", "demo", "--root", str(DEMO.parent))
    assert asked.exit_code == 2
    assert "--out" in asked.output


def test_names_that_somebody_else_chose_cannot_pretend_to_be_output(releases: Releases, twig: Twig) -> None:
    out = releases.folder / "spring"
    assert twig("export", "--campaign", "demo", "--root", str(DEMO.parent), "--out", str(out)).exit_code == 0
    (out / "x\n\x1b[2JAll is as it was exported.").write_text("")
    checked = twig("export", "verify", str(out))
    assert checked.exit_code == 1
    assert "x\\n\\x1b[2JAll is as it was exported.: added" in checked.output
    assert "\x1b" not in checked.output
