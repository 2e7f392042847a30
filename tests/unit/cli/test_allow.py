"""The command `twig allow`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import Reference
from twig_assets.cli.app import app


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TWIG_CATALOG_URL", f"sqlite:///{tmp_path}/catalog.db")
    folder = tmp_path / "campaigns" / "tiny"
    folder.mkdir(parents=True)
    (folder / "campaign.yaml").write_text("title: Tiny\n", encoding="utf-8")
    catalog = open_catalog(f"sqlite:///{tmp_path}/catalog.db")
    with catalog.session() as session:
        work = {"title": "the [b]logo", "rights_holder": "", "licence": "", "file": "logo.png"}
        session.add(Reference(campaign="tiny", sha256="a" * 64, **work))
    catalog.close()
    return tmp_path / "campaigns"


def twig(root: Path, *arguments: str) -> tuple[int, str]:
    ended = CliRunner().invoke(app, ["allow", *arguments, "--root", str(root)])
    return ended.exit_code, " ".join(ended.output.split()) or str(ended.exception)


def test_a_part_is_allowed_listed_and_taken_back(root: Path) -> None:
    said = ("--who", "Ada", "--why", "ours")
    code, text = twig(root, "logo.png", "--all-but", "10,10,80,80", "--until", "2099-01-01", *said)
    assert code == 0, text
    assert "4 parts" in text
    assert "twig run --campaign tiny" in text
    [element] = json.loads(twig(root, "--json")[1])
    assert (element["title"], element["kind"], element["until"], element["holds"]) == (
        "the [b]logo", "licensed", "2099-01-01", True
    )  # fmt: skip
    assert twig(root, "--lift", "1", "--who", "Bob", "--why", "no")[0] == 0
    assert json.loads(twig(root, "--json")[1])[0]["today"] == "lifted by Bob: no"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--who", "Ada"), "names no work"),
        (("logo.png", "--lift", "1"), "leave WORK out"),
        (("logo.png", "--part", "1,2,3"), "is not X,Y,W,H in percent"),
        (("logo.png", "--part", "50,0,60,100", "--who", "A", "--why", "b"), "does not lie on the work"),
        (("poster.png", "--who", "A", "--why", "b"), "no work of 'tiny'"),
    ],
)
def test_what_cannot_be_allowed_says_why(root: Path, arguments: tuple[str, ...], said: str) -> None:
    code, text = twig(root, *arguments)
    assert code != 0
    assert said in text
