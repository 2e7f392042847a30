"""Whose is this? What answers for a file, and what is said of its release."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from sqlalchemy import select
from typer.testing import CliRunner

from tests.unit.provenance.signing_kit import Chain, statement
from twig_assets.bench.marks.released import KEY, file_of, release, whence
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import Image, Release, utc_now
from twig_assets.catalog.store import ArtifactStore
from twig_assets.cli import main as cli_main
from twig_assets.cli.app import app
from twig_assets.provenance.file_marks import FileMarks, MarkedAlreadyError
from twig_assets.provenance.fingerprints import ReleaseIndex
from twig_assets.provenance.manifest import Claim
from twig_assets.provenance.signing import sign_picture
from twig_assets.provenance.watermark import LatticeWatermark
from twig_assets.provenance.whence import Whence


def scene(seed: int) -> np.ndarray:
    """A picture with shapes of its own."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (7, 7, 3), dtype=np.uint8)
    picture = np.array(PillowImage.fromarray(noise).resize((128, 128), PillowImage.Resampling.BICUBIC))
    for _ in range(14):
        x, y, size = rng.integers(8, 100, 3)
        picture[y : y + size // 4, x : x + size // 5] = rng.integers(0, 256, 3)
    return picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with three releases."""
    made = tmp_path_factory.mktemp("released")
    release(made, [scene(number) for number in range(3)])
    return made


@pytest.fixture
def asked(folder: Path) -> Whence:
    return whence(folder)


def pictures(folder: Path) -> list[np.ndarray]:
    catalog = open_catalog(f"sqlite:///{folder}/catalog.db")
    with catalog.snapshot() as session:
        hashes = list(session.scalars(select(Image.sha256).order_by(Image.id)))
    catalog.close()
    return [ArtifactStore(str(folder / "artifacts")).read_image(sha256) for sha256 in hashes]


def without_keys(folder: Path) -> Whence:
    """An installation that lost its key."""
    catalog = open_catalog(f"sqlite:///{folder}/catalog.db")
    return Whence(
        catalog, ArtifactStore(str(folder / "artifacts")), folder / "campaigns", [], ReleaseIndex(folder / "releases")
    )


def crop(pixels: np.ndarray) -> np.ndarray:
    return pixels[10:120, 4:118]


def test_the_audited_file_is_known_by_its_bytes(folder: Path, asked: Whence) -> None:
    catalog = open_catalog(f"sqlite:///{folder}/catalog.db")
    with catalog.snapshot() as session:
        sha256 = session.scalars(select(Image.sha256).order_by(Image.id)).first()
    catalog.close()
    answer = asked.ask(ArtifactStore(str(folder / "artifacts")).read(str(sha256), "png"), "a.png")
    assert (answer.answered_by, answer.file) == ("file", "a.png")
    assert [image.prompt for image in answer.known] == ["release 0"]


def test_a_recompressed_copy_is_known_by_its_watermark_and_a_crop_by_both(folder: Path, asked: Whence) -> None:
    second = pictures(folder)[1]
    file = io.BytesIO()
    PillowImage.fromarray(second).resize((96, 96)).save(file, "JPEG", quality=70)
    answer = asked.ask(file.getvalue())
    assert (answer.answered_by, answer.known[0].prompt) == ("watermark", "release 1")
    assert answer.payload == KEY.payload(scene(1).tobytes()).hex()
    cropped = asked.ask(file_of(crop(second)))
    assert cropped.known[0].prompt == "release 1"
    assert "Its fingerprint" in cropped.known[0].how


def test_without_the_key_a_copy_is_known_by_its_fingerprint(folder: Path) -> None:
    answer = without_keys(folder).ask(file_of(crop(pictures(folder)[2])))
    assert (answer.answered_by, answer.known[0].prompt) == ("fingerprint", "release 2")
    assert "Look at both" in answer.known[0].how


def test_a_stranger_is_not_known_and_no_picture_says_so(asked: Whence) -> None:
    answer = asked.ask(file_of(scene(77)))
    assert (answer.answered_by, answer.standing, answer.known) == (None, "unknown", ())
    assert "says nothing about whether it may be used" in answer.sentence
    broken = asked.ask(b"no picture")
    assert (broken.answered_by, broken.standing) == (None, "unknown")
    assert broken.problem is not None


def test_a_credential_of_a_stranger_does_not_make_a_picture_ours(folder: Path, asked: Whence, chain: Chain) -> None:
    """Anybody can sign a picture and name one of our releases in it."""
    sha256 = _hashes(folder)[0]
    claim = Claim(
        title="x.png",
        generator="elsewhere",
        statement=statement().model_copy(update={"image_sha256": sha256}),
        do_not_train=False,
    )
    forged = asked.ask(sign_picture(file_of(scene(78)), claim, chain.identity).data)
    assert forged.answered_by is None
    assert forged.credential.state == "valid"
    ours = asked.ask(sign_picture(file_of(pictures(folder)[0]), claim, chain.identity).data)
    assert (ours.answered_by, ours.known[0].prompt) == ("credential", "release 0")


def test_without_a_catalog_a_watermark_is_read_and_its_status_is_open(folder: Path, tmp_path: Path) -> None:
    offline = Whence(
        None, ArtifactStore(str(tmp_path)), tmp_path, [LatticeWatermark(KEY)], ReleaseIndex(tmp_path / "releases")
    )
    answer = offline.ask(file_of(pictures(folder)[0]))
    assert (answer.answered_by, answer.standing) == ("watermark", "status unknown")
    assert answer.payload == KEY.payload(scene(0).tobytes()).hex()
    assert offline.ask(file_of(scene(79))).standing == "unknown"


def test_a_withdrawn_and_a_superseded_release_say_why(tmp_path: Path) -> None:
    release(tmp_path, [scene(0), scene(1)])
    catalog = open_catalog(f"sqlite:///{tmp_path}/catalog.db")
    with catalog.session() as session:
        first, second = session.scalars(select(Release).order_by(Release.id))
        first.withdrawn_at, first.reason = utc_now(), "another image took its place"
        prompt_id = first.prompt_id
    [withdrawn] = whence(tmp_path).ask(file_of(pictures(tmp_path)[0])).known
    assert (withdrawn.today, withdrawn.why) == ("withdrawn", "another image took its place")
    with catalog.session() as session:
        session.add(Release(prompt_id=prompt_id, image_id=second.image_id, audit_id=second.audit_id))
    catalog.close()
    answer = whence(tmp_path).ask(file_of(pictures(tmp_path)[0]))
    assert answer.known[0].today == "superseded"
    assert answer.standing == "not released"


def test_the_index_of_releases_is_made_again_where_it_is_lost(folder: Path, tmp_path: Path) -> None:
    lost, catalog = ReleaseIndex(tmp_path / "releases"), open_catalog(f"sqlite:///{folder}/catalog.db")
    store = ArtifactStore(str(folder / "artifacts"))
    with catalog.snapshot() as session:
        assert lost.add_missing(session, store) == 3
        assert lost.add_missing(session, store) == 0
    catalog.close()
    assert [like.sha256 for like in lost.like(crop(pictures(folder)[2]), store.read_image)] == [_hashes(folder)[2]]
    assert lost.like(scene(80), store.read_image) == []


def test_the_command_says_by_its_exit_status_what_stands(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli_main
    monkeypatch.setenv("TWIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TWIG_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("TWIG_ARTIFACTS", str(folder / "artifacts"))
    strange, ours = tmp_path / "strange.png", tmp_path / "ours.png"
    strange.write_bytes(file_of(scene(81)))
    ours.write_bytes(file_of(crop(pictures(folder)[1])))

    def run(*files: Path) -> tuple[int, list[dict[str, object]]]:
        done = CliRunner().invoke(app, ["whence", "--json", "--root", str(tmp_path), *map(str, files)])
        return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]

    assert run(strange)[0] == 3
    assert not (tmp_path / "home" / "catalog.db").exists()
    monkeypatch.setenv("TWIG_CATALOG_URL", f"sqlite:///{folder}/catalog.db")
    status, answers = run(strange, ours)
    # The campaign's folder is gone here, so its release has to be withdrawn.
    assert status == 1
    assert [answer["standing"] for answer in answers] == ["unknown", "not released"]


def _hashes(folder: Path) -> list[str]:
    catalog = open_catalog(f"sqlite:///{folder}/catalog.db")
    with catalog.snapshot() as session:
        hashes = list(session.scalars(select(Image.sha256).order_by(Image.id)))
    catalog.close()
    return hashes


def test_a_release_that_is_marked_again_keeps_its_mark_and_its_status(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    catalog = open_catalog(f"sqlite:///{tmp_path}/copy/catalog.db")
    marks = FileMarks(catalog, KEY, [LatticeWatermark(KEY)])
    again = file_of(pictures(folder)[0])
    with pytest.raises(MarkedAlreadyError, match="that of an image of campaign marks for 'release 0'"):
        marks.file(again, "image/png")
    signed = again + b"\0"
    marks.record("again.png", signed, None, "mark", None)
    catalog.close()
    answer = whence(tmp_path / "copy").ask(signed)
    assert (answer.answered_by, answer.known[0].prompt) == ("watermark", "release 0")
    assert [file.name for file in answer.marked] == ["again.png"]
    assert "and not what may have been changed in this file since" in answer.sentence


def test_a_mark_that_is_not_on_record_is_said_to_be_not(folder: Path, asked: Whence) -> None:
    unknown = LatticeWatermark(KEY).embed(scene(90), b"\1\2\3\4\5\6")
    answer = asked.ask(file_of(unknown))
    assert (answer.answered_by, answer.standing, answer.payload) == ("watermark", "status unknown", "010203040506")
    assert "its row is gone" in answer.sentence
