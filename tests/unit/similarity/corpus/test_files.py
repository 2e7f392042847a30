"""Folders as they are found."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twig_assets.similarity.corpus.files import LEADS_OUT, files_below, shown


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder of somebody who is not root, for whom permissions hold."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        if os.geteuid() != 0:
            yield folder
            return
        os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(0)


def names(folder: Path, follow_links: bool = False) -> dict[str, str | None]:
    return {shown(found.path.relative_to(folder)): found.problem for found in files_below(folder, follow_links)}


def test_files_of_all_depths_are_found_in_order(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    for name in ("z.png", "b/c/x.png", "b/y.png", ".hidden"):
        (tmp_path / name).write_bytes(b"x")
    assert list(names(tmp_path)) == [".hidden", "b/c/x.png", "b/y.png", "z.png"]
    assert set(names(tmp_path).values()) == {None}


def test_names_with_newlines_and_bytes_that_are_not_utf8_are_found_and_can_be_printed(tmp_path: Path) -> None:
    raw = [b"two\nlines.png", b"latin\xe9.png", b"tab\t.png", b"back\\slash.png", "über 雪.png".encode()]
    for name in raw:
        (Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))).write_bytes(name)
    assert {found.path.read_bytes() for found in files_below(tmp_path)} == set(raw)
    assert set(names(tmp_path)) == {
        "two\\x0alines.png",
        "latin\\xe9.png",
        "tab\\x09.png",
        "back\\\\slash.png",
        "über 雪.png",
    }


@given(st.lists(st.binary(min_size=1, max_size=6), min_size=2, max_size=6, unique=True))
def test_shown_names_stay_apart_and_fit_into_any_text_file(raw: list[bytes]) -> None:
    texts = [shown(os.fsdecode(name)) for name in raw]
    assert len(set(texts)) == len(raw)
    for text in texts:
        assert text.isprintable()
        text.encode("utf-8")


def test_a_folder_that_is_a_link_to_itself_ends_and_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "dead.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    found = names(tmp_path)
    assert found["a.png"] is None
    assert found["link.png"] is None
    assert found["dead.png"] == "is a link to nothing"
    assert found["loop"] == "is a link to a folder that is read already; not read twice"
    assert "symbolic links" in str(found["self"])
    assert len(found) == 5


def test_a_linked_folder_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "real").mkdir()
    (tmp_path / "in" / "real" / "a.png").write_bytes(b"x")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in" / "real")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.png").write_bytes(b"x")
    (tmp_path / "in" / "elsewhere").symlink_to(tmp_path / "out")
    found = names(tmp_path / "in", follow_links=True)
    assert [name for name, problem in found.items() if problem is None] == ["elsewhere/b.png", "real/a.png"]
    assert found["again"] == "is a link to a folder that is read already; not read twice"


def test_pipes_are_said_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert names(tmp_path) == {"pipe.png": "is not a regular file"}


def test_a_folder_that_may_not_be_entered_is_said_and_its_neighbours_are_read(unprivileged: Path) -> None:
    (unprivileged / "closed").mkdir()
    (unprivileged / "a.png").write_bytes(b"x")
    (unprivileged / "closed").chmod(0)
    try:
        found = names(unprivileged)
    finally:
        (unprivileged / "closed").chmod(0o700)
    assert found == {"a.png": None, "closed": "Permission denied; the folder's files are not read"}


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files_below(tmp_path / "nowhere")


def test_links_are_followed_within_the_folder_and_out_of_it_only_when_asked(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    for made in (folder / "real", elsewhere / "deep"):
        made.mkdir(parents=True)
    for file in (folder / "real" / "a.png", elsewhere / "b.png", elsewhere / "deep" / "c.png"):
        file.write_bytes(b"x")
    (folder / "inside.png").symlink_to(folder / "real" / "a.png")
    (folder / "file.png").symlink_to(elsewhere / "b.png")
    (folder / "linked").symlink_to(elsewhere)
    (folder / "dead.png").symlink_to(tmp_path / "nothing")
    root = tmp_path / "root"
    root.symlink_to(folder)
    found = names(root)
    assert found.pop("dead.png") == "is a link to nothing"
    assert found == {"file.png": LEADS_OUT, "inside.png": None, "linked": LEADS_OUT, "real/a.png": None}
    followed = {name for name, problem in names(root, follow_links=True).items() if problem is None}
    assert followed == {"file.png", "inside.png", "linked/b.png", "linked/deep/c.png", "real/a.png"}
