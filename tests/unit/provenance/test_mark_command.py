"""What `twig mark` does with files, and what it refuses."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.unit.provenance.signing_kit import picture
from twig_assets.cli import app
from twig_assets.provenance import read_credentials
from twig_assets.provenance.keys import create_test_keys


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a picture, and test keys."""
    monkeypatch.setenv("TWIG_KEYS", str(tmp_path / "keys"))
    monkeypatch.chdir(tmp_path)
    create_test_keys()
    buffer = io.BytesIO()
    Image.new("RGB", (96, 80), "#335577").save(buffer, "PNG")
    (tmp_path / "sea.png").write_bytes(buffer.getvalue())
    return tmp_path


def run(*arguments: str):
    return CliRunner().invoke(app, ["mark", *arguments])


def test_a_marked_copy_has_the_same_pixels_and_says_what_made_it(folder):
    result = run("sea.png", "--made-by", "model X", "--do-not-train")
    assert result.exit_code == 0
    assert "It is a test key" in result.output
    marked = read_credentials(folder / "marked" / "sea.png")
    assert (marked.state, marked.do_not_train) == ("trusted", True)
    assert (np.array(Image.open("marked/sea.png")) == np.array(Image.open("sea.png"))).all()


def test_a_label_is_drawn_and_said_to_be(folder):
    assert run("sea.png", "--label", "--label-text", "KI").exit_code == 0
    assert (np.array(Image.open("marked/sea.png")) != np.array(Image.open("sea.png"))).any()
    assert b"A visible label says 'KI'." in (folder / "marked" / "sea.png").read_bytes()


def test_a_labelled_copy_keeps_the_credential_of_what_it_was(folder):
    run("sea.png")
    before = read_credentials(Path("marked/sea.png"))
    assert run("marked/sea.png", "--label", "--out", "labelled").exit_code == 0
    after = read_credentials(Path("labelled/sea.png"))
    assert [i.manifest for i in after.ingredients] == [before.manifest]
    assert after.state == "trusted"


def test_what_cannot_be_marked_is_told_and_stops_nothing(folder):
    (folder / "notes.txt").write_text("no picture")
    result = run("notes.txt", "sea.png")
    assert result.exit_code == 1
    assert "notes.txt: it is no PNG" in result.output
    assert (folder / "marked" / "sea.png").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("sea.png", "--out", "."), "would be replaced by its marked copy"),
        (("sea.png", "other/sea.png"), "several files are called sea.png"),
    ],
)
def test_no_file_takes_the_place_of_another(folder, arguments, told):
    (folder / "other").mkdir()
    (folder / "other" / "sea.png").write_bytes(picture())
    assert told in str(run(*arguments).exception)


def test_a_source_that_is_none_is_refused(folder):
    assert run("sea.png", "--source", "magic").exit_code == 2
