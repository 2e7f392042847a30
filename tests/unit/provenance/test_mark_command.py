"""What `twig mark` does with files, and what it refuses."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select
from typer.testing import CliRunner

from tests.unit.provenance.signing_kit import picture
from tests.unit.provenance.test_tampering import OLD
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import MarkedFile
from twig_assets.cli import app
from twig_assets.provenance import CredentialError, read_credentials
from twig_assets.provenance.generated_files import check_watermark, save_pictures
from twig_assets.provenance.keys import create_test_keys
from twig_assets.provenance.marks_on_record import marked_here
from twig_assets.provenance.watermark import WatermarkKey, create_key


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_catalog: Path) -> Path:
    """A folder with a picture, and test keys."""
    shutil.copy(empty_catalog, tmp_path / "catalog.db")
    monkeypatch.setenv("TWIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TWIG_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("TWIG_CATALOG_URL", f"sqlite:///{tmp_path}/catalog.db")
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


def scene(kind: str = "PNG", **options) -> bytes:
    """A picture of blocks, 128 by 96."""
    blocks = np.random.default_rng(1).integers(40, 215, (6, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(blocks).resize((128, 96), Image.Resampling.BICUBIC).save(buffer, kind, **options)
    return buffer.getvalue()


def whence(*files: str) -> tuple[int, list[dict]]:
    done = CliRunner().invoke(app, ["whence", "--json", *files])
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def key(folder) -> WatermarkKey:
    return create_key(folder / "keys")


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("AVIF", "avif")])
def test_where_there_is_a_key_files_get_a_watermark_by_which_stripped_copies_are_traced(folder, key, kind, suffix):
    name = f"sea.{suffix}"
    (folder / name).write_bytes(scene(kind))
    result = run(name)
    assert result.exit_code == 0
    assert f"of key {key.id}" in result.output
    assert b"An invisible watermark was written" in (folder / "marked" / name).read_bytes()
    Image.open(folder / "marked" / name).convert("RGB").save("stripped.jpg", quality=80)
    (status, [very]), (_, [stripped]) = whence(f"marked/{name}"), whence("stripped.jpg")
    assert (status, very["standing"], very["answered_by"]) == (1, "not released", "file")
    assert stripped["answered_by"] == "watermark"
    assert [marked["name"] for marked in stripped["marked"]] == [name]


def test_a_copy_that_kept_its_credential_is_known_by_that(folder, key):
    (folder / "sea.png").write_bytes(scene())
    run("sea.png", "--no-watermark")
    changed = (folder / "marked" / "sea.png").read_bytes()
    assert (np.array(Image.open(io.BytesIO(changed))) == np.array(Image.open("sea.png"))).all()
    with open_catalog(f"sqlite:///{folder}/catalog.db").session() as session:
        row = session.scalars(select(MarkedFile)).one()
        assert (row.payload, row.command) == (None, "mark")
        assert [m.name for m in marked_here(session, "0" * 64, row.manifest)] == ["sea.png"]
        assert marked_here(session, "0" * 64, None) == ()


def test_a_watermark_that_is_there_is_kept_and_its_owner_named(folder, key):
    (folder / "sea.png").write_bytes(scene())
    run("sea.png")
    first = (folder / "marked" / "sea.png").read_bytes()
    again = run("marked/sea.png", "--out", "again")
    assert again.exit_code == 0
    assert "that of 'sea.png', which `twig mark` marked here; that one stays" in again.output
    assert (np.array(Image.open("again/sea.png")) == np.array(Image.open(io.BytesIO(first)))).all()
    refused = run("marked/sea.png", "--out", "forced", "--watermark")
    assert refused.exit_code == 1
    assert "two would spoil each other" in refused.output
    assert not (folder / "forced" / "sea.png").exists()


def test_what_a_watermark_would_spoil_is_signed_without_one_and_refused_where_one_is_asked_for(folder, key):
    Image.fromarray(np.full((64, 64), 40_000, np.uint16)).save("deep.png")
    (folder / "small.png").write_bytes(picture())
    result = run("deep.png", "small.png")
    assert result.exit_code == 0
    assert "It has no watermark: a watermark would cost it its depth" in result.output
    assert "too small for a watermark" in result.output
    assert run("small.png", "--out", "other", "--watermark").exit_code == 1


def test_without_a_key_a_watermark_that_is_asked_for_is_refused(folder):
    assert "make one with `twig keys create`" in run("sea.png", "--watermark").output


def test_transparency_and_other_metadata_stay_with_a_watermark(folder, key):
    opaque = Image.open(io.BytesIO(scene()))
    opaque.putalpha(Image.linear_gradient("L").resize(opaque.size))
    opaque.save("veil.png", dpi=(300, 300))
    (folder / "sea.jpg").write_bytes(scene("JPEG", xmp=OLD))
    assert run("veil.png", "sea.jpg").exit_code == 0
    kept = Image.open("marked/veil.png")
    assert (np.array(kept.getchannel("A")) == np.array(opaque.getchannel("A"))).all()
    assert round(kept.info["dpi"][0]) == 300
    assert b"kept" in (folder / "marked" / "sea.jpg").read_bytes()


def test_what_is_drawn_without_a_campaign_is_marked_and_known(folder, key):
    pixels = np.array(Image.open(io.BytesIO(scene())))
    check_watermark(None)
    [(path, note)] = save_pictures([pixels], [folder / "0.png"], None)
    assert note is None
    status, [answer] = whence("0.png")
    assert (status, answer["marked"][0]["command"]) == (1, "generate")
    [(_, refused)] = save_pictures([pixels[:40, :40]], [folder / "1.png"], None)
    assert "too small" in refused
    [(plain, _)] = save_pictures([pixels], [folder / "2.png"], False)
    assert (np.array(Image.open(plain)) == pixels).all()
    assert "2.png" not in recorded(folder)


def test_a_watermark_that_is_asked_for_is_refused_before_anything_is_drawn(folder):
    with pytest.raises(CredentialError, match="twig keys create"):
        check_watermark(True)


def recorded(folder: Path) -> list[str]:
    with open_catalog(f"sqlite:///{folder}/catalog.db").session() as session:
        return list(session.scalars(select(MarkedFile.name)))
