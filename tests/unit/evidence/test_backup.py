"""A backup holds everything that is on record, is whole or not there, and is put back as it was."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.unit.catalog.filled import Filled
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import Image
from twig_assets.catalog.store import ArtifactStore
from twig_assets.evidence.backup import BackupError, back_up, read_backup, restore


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state folder with a catalog of two images, a report, and a key."""
    folder = tmp_path / "home"
    (folder / "reports" / "demo").mkdir(parents=True)
    (folder / "reports" / "demo" / "report.html").write_text("<p>all is well</p>")
    (folder / "keys").mkdir()
    (folder / "keys" / "secret.pem").write_text("a secret")
    catalog, store = open_catalog(url(folder)), ArtifactStore(str(folder / "artifacts"))
    with catalog.session() as session:
        filled = Filled(session)
        for attempt in range(2):
            picture = np.full((8, 8, 3), 40 * attempt, np.uint8)
            filled.judged("pass", attempt, sha256=store.put_image(picture))
    catalog.close()
    return folder


def url(home: Path) -> str:
    return f"sqlite:///{home / 'catalog.db'}"


def store(home: Path) -> ArtifactStore:
    return ArtifactStore(str(home / "artifacts"))


def test_what_was_backed_up_while_others_write_is_put_back_as_it_was(home: Path, tmp_path: Path) -> None:
    catalog = open_catalog(url(home))
    with catalog.session() as session:
        before = {image.sha256 for image in session.query(Image)}
        made = back_up(url(home), store(home), home, tmp_path / "backup")
    catalog.close()
    assert not [name for name in made.files if "secret" in name]
    restored = tmp_path / "restored"
    assert restore(tmp_path / "backup", url(restored), store(restored), restored) == made
    again = open_catalog(url(restored))
    with again.session() as session:
        images = {image.sha256 for image in session.query(Image)}
    again.close()
    assert images == before
    assert all(store(restored).read(sha256, "png") for sha256 in images)
    assert (restored / "reports" / "demo" / "report.html").read_text() == "<p>all is well</p>"


def test_artifacts_may_stay_where_they_are(home: Path, tmp_path: Path) -> None:
    made = back_up(url(home), store(home), home, tmp_path / "backup", copy_artifacts=False)
    assert made.artifacts == str(home / "artifacts")
    assert not (tmp_path / "backup" / "artifacts").exists()


def test_what_would_be_no_whole_backup_is_refused_and_leaves_nothing(home: Path, tmp_path: Path) -> None:
    next((home / "artifacts").glob("*/*.png")).unlink()
    with pytest.raises(BackupError, match="image .*no such artifact"):
        back_up(url(home), store(home), home, tmp_path / "backups" / "first")
    assert list((tmp_path / "backups").iterdir()) == []


def test_nothing_is_written_over(home: Path, tmp_path: Path) -> None:
    back_up(url(home), store(home), home, tmp_path / "backup")
    with pytest.raises(BackupError, match="exists"):
        back_up(url(home), store(home), home, tmp_path / "backup")
    with pytest.raises(BackupError, match="exists"):
        restore(tmp_path / "backup", url(home), store(home), home)


def test_a_backup_that_was_changed_is_not_put_back(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    back_up(url(home), store(home), home, folder)
    (folder / "state" / "reports" / "demo" / "report.html").write_text("<p>all is very well</p>")
    next((folder / "artifacts").glob("*/*.png")).unlink()
    (folder / "more.txt").write_text("more")
    with pytest.raises(BackupError, match="is not as it was made") as error:
        read_backup(folder)
    assert {line.split(": ")[1] for line in str(error.value).splitlines()[1:]} == {
        "is missing",
        "was added",
        "was changed",
    }
    (folder / "backup.json").write_text(json.dumps({}))
    with pytest.raises(BackupError, match="is no backup"):
        read_backup(folder)
