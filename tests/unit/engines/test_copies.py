import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from tests.unit.engines import computing
from tests.unit.engines.computing import numbered
from twig_assets.engines import Context, Copy, CopyError, copy_of
from twig_assets.engines.in_process import InProcess


@pytest.fixture
def bucket() -> Iterator[str]:
    """An empty folder of an object store in memory."""
    url = f"memory://{uuid.uuid4().hex}/works"
    yield url
    fs, root = fsspec.core.url_to_fs(url)
    fs.rm(root, recursive=True)


@pytest.fixture
def copy(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Copy:
    monkeypatch.setenv("TWIG_COPIES", str(tmp_path))
    put(bucket, "manifest.json", "a")
    put(bucket, "segments/a", "A")
    made = copy_of(bucket)
    assert made is not None
    return made


def put(url: str, name: str, text: str) -> None:
    with fsspec.open(f"{url}/{name}", "w") as file:
        file.write(text)


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_a_path_is_no_url(tmp_path: Path) -> None:
    assert copy_of(str(tmp_path)) is None
    assert copy_of(f"file://{tmp_path}") is None


def test_the_copy_lies_at_the_same_path_everywhere(copy: Copy, bucket: str, tmp_path: Path) -> None:
    assert copy_of(f"{bucket}/") == copy
    assert copy.path.is_relative_to(tmp_path)
    assert copy.path.name == "works"


def test_a_folder_is_copied_and_brought_up_to_date(copy: Copy, bucket: str) -> None:
    assert copy.bring() == copy.path
    assert contents(copy.path) == {"manifest.json": "a", "segments/a": "A"}
    put(bucket, "segments/b", "B")
    put(bucket, "manifest.json", "ab")
    fsspec.open(bucket).fs.rm(f"{bucket.removeprefix('memory:/')}/segments/a")
    copy.bring()
    assert contents(copy.path) == {"manifest.json": "ab", "segments/b": "B"}


def test_what_has_not_changed_is_not_copied_again(copy: Copy) -> None:
    copy.bring()
    for path in (copy.path / "manifest.json", copy.path / "segments" / "a"):
        path.write_text("as it was")
    copy.bring()
    assert set(contents(copy.path).values()) == {"as it was"}


def test_what_the_manifest_names_is_there_although_it_came_while_copying(
    copy: Copy, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs = fsspec.filesystem("memory")
    read = type(fs).cat_file

    def changed_before_it_is_read(self: Any, path: str, **options: Any) -> bytes:
        put(bucket, "segments/b", "B")
        put(bucket, "manifest.json", "ab")
        return bytes(read(self, path, **options))

    monkeypatch.setattr(type(fs), "cat_file", changed_before_it_is_read)
    copy.bring()
    assert contents(copy.path) == {"manifest.json": "ab", "segments/a": "A", "segments/b": "B"}


def test_one_file(copy: Copy, bucket: str) -> None:
    of_file = copy_of(f"{bucket}/manifest.json")
    assert of_file is not None
    assert of_file.bring().read_text() == "a"


def test_a_folder_in_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIG_COPIES", str(tmp_path / "copies"))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("works/a/b.txt", "B")
        archive.writestr("other/c.txt", "C")
    copy = copy_of(f"zip://works::file://{tmp_path}/all.zip")
    assert copy is not None
    assert contents(copy.bring()) == {"a/b.txt": "B"}


def test_nothing_there(copy: Copy) -> None:
    with pytest.raises(CopyError, match="memory://nowhere: there is nothing"):
        Copy("memory://nowhere", copy.path).bring()


def test_an_unknown_protocol(copy: Copy) -> None:
    with pytest.raises(CopyError, match="cannot be copied"):
        Copy("ship://nowhere/at-all", copy.path).bring()


def test_a_worker_copies_before_it_opens(copy: Copy) -> None:
    list(InProcess().map(computing.times, numbered(1), Context(computing.opened, (1, None), (copy,))))
    assert contents(copy.path) == {"manifest.json": "a", "segments/a": "A"}
