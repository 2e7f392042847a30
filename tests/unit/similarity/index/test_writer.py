import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.unit.similarity.index.conftest import SOURCES, save_drawings, seen
from twig_assets.similarity.index.build import add_works, build_index, remove_works, works_in
from twig_assets.similarity.index.describe import described_file, rows_of
from twig_assets.similarity.index.info import damaged_files
from twig_assets.similarity.index.manifest import CorpusIndexError
from twig_assets.similarity.index.reader import CorpusIndex
from twig_assets.similarity.index.rows import Rows
from twig_assets.similarity.index.writer import MERGED_AT, IndexWriter
from twig_assets.similarity.versions import SCORING

_CHANGES = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate"}


def names(folder: Path) -> list[str]:
    index = CorpusIndex(folder)
    return sorted(Path(index.text(row).path).name for row in range(len(index)) if not index.removed[row])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def killed_at(step: int, folder: Path, change: Callable[[], object]) -> bool:
    """Run a change in a process that is killed before its n-th step on the disk; whether it was."""
    child = os.fork()
    if child == 0:
        left = [step]

        def before(event: str, arguments: tuple) -> None:
            if event in _CHANGES and str(folder) in str(arguments[0]):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(before)
        try:
            change()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def described(folder: Path, seeds: range) -> Rows:
    """Descriptions of further works, made before, so that a change is nothing but writing."""
    files = works_in([save_drawings(folder, seeds)])
    return rows_of([view for file in files for view in described_file(file, SOURCES).views])


def changing(change: Callable[[IndexWriter], object]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        with IndexWriter(folder, SCORING) as writer:
            change(writer)

    return changed


def every_step(index: Path, change: Callable[[Path], None], new: list[str]) -> int:
    """Kill a change before its first, second, third step on the disk and so on; how many there are."""
    old, steps = names(index), 0
    while True:
        copy = index.with_name(f"copy-{steps}")
        shutil.copytree(index, copy)
        killed = killed_at(steps, copy, lambda copy=copy: change(copy))
        assert names(copy) in (old, new)
        assert damaged_files(copy) == []
        if not killed:
            assert names(copy) == new
            return steps
        with IndexWriter(copy, SCORING) as writer:
            named = {entry.name.split("/")[1] for entry in writer.manifest.segments}
            assert {path.name for path in (copy / "segments").iterdir() if path.is_dir()} == named
        if names(copy) == old and steps % 8 == 0:
            change(copy)
            assert names(copy) == new
        steps += 1


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process that is killed has written stays written; only a power failure needs more."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.mark.usefixtures("quick_disk")
def test_an_addition_that_is_killed_at_any_step_leaves_the_old_index_or_the_new(index: Path, tmp_path: Path) -> None:
    rows = described(tmp_path / "further", range(20, 22))
    new = sorted([*names(index), "work-20.png", "work-21.png"])
    assert every_step(index, changing(lambda writer: writer.add(rows)), new) > 15


@pytest.mark.usefixtures("quick_disk")
def test_a_removal_that_is_killed_at_any_step_leaves_the_old_index_or_the_new(index: Path) -> None:
    reader = CorpusIndex(index)
    [sha256] = {reader.text(row).sha256 for row in range(6) if reader.text(row).path.endswith("work-02.png")}
    new = [name for name in names(index) if name != "work-02.png"]
    assert every_step(index, changing(lambda writer: writer.remove([sha256])), new) > 3


@pytest.mark.usefixtures("quick_disk")
def test_a_merge_that_is_killed_at_any_step_loses_nothing(index: Path, tmp_path: Path) -> None:
    with IndexWriter(index, SCORING) as writer:
        for seed in range(20, 20 + MERGED_AT - 1):
            writer.add(described(tmp_path / str(seed), range(seed, seed + 1)))
        writer.remove([CorpusIndex(index).text(2).sha256])
    assert every_step(index, changing(lambda writer: writer.merge()), names(index)) > 15
    with IndexWriter(index, SCORING) as writer:
        writer.merge()
        assert [(entry.rows, entry.removed) for entry in writer.manifest.segments] == [(6 + MERGED_AT - 2, None)]


def test_adding_a_work_changes_no_file_of_the_others(index: Path, tmp_path: Path) -> None:
    before = contents(index / "segments")
    further = works_in([save_drawings(tmp_path / "further", range(30, 31))])
    assert add_works(index, further, SOURCES, seen).added == 1
    after = contents(index / "segments")
    assert {path: after[path] for path in before} == before
    assert add_works(index, further, SOURCES, seen).known == 1
    assert contents(index / "segments") == after


def test_a_reader_keeps_what_it_opened(index: Path, works: Path, tmp_path: Path) -> None:
    reader = CorpusIndex(index)
    files, pixels = names(index), reader.pixels(np.arange(6))
    remove_works(index, [str(works / "work-00.png")])
    for seed in range(20, 20 + MERGED_AT):
        add_works(
            index,
            works_in([save_drawings(tmp_path / "more", range(seed, seed + 1)) / f"work-{seed}.png"]),
            SOURCES,
            seen,
        )
    assert not (index / reader.manifest.segments[0].name / "pixels.npy").exists()
    assert [Path(reader.text(row).path).name for row in range(6)] == files
    assert (reader.pixels(np.arange(6)) == pixels).all()
    assert len(names(index)) == 5 + MERGED_AT


def test_one_writer_at_a_time(index: Path) -> None:
    with IndexWriter(index, SCORING), pytest.raises(CorpusIndexError, match="another process"):
        remove_works(index, ["work-00.png"])
    assert len(names(index)) == 6


def test_the_corpus_version_is_that_of_the_works_that_are_left(index: Path, works: Path, tmp_path: Path) -> None:
    fewer = tmp_path / "fewer"
    shutil.copytree(works, fewer)
    (fewer / "work-01.png").unlink()
    build_index(tmp_path / "other", works_in([fewer]), SOURCES, seen)
    remove_works(index, [str(works / "work-01.png")])
    assert CorpusIndex(index).version == CorpusIndex(tmp_path / "other").version


def test_removing_all_and_adding_again(index: Path, works: Path) -> None:
    remove_works(index, [str(path) for path in works.iterdir()])
    assert names(index) == []
    assert add_works(index, works_in([works]), SOURCES, seen).added == 6
    assert len(names(index)) == 6


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "is no index"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "is no manifest"),
        (lambda folder: next(folder.rglob("pixels.npy")).write_bytes(b"short"), "is damaged"),
        (lambda folder: next(folder.rglob("pixels.npy")).unlink(), "is missing"),
        (lambda folder: _other_scoring(folder), "another version"),
    ],
)
def test_an_index_that_cannot_be_used_says_why(index: Path, broken: Callable[[Path], object], says: str) -> None:
    broken(index)
    with pytest.raises(CorpusIndexError, match=says):
        CorpusIndex(index)


def _other_scoring(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "scoring": "0"}))


def test_a_file_that_changed_without_changing_its_size_is_found_by_its_hash(index: Path) -> None:
    path = next(index.rglob("pdq.hashes.npy"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert damaged_files(index) == [str(path)]
