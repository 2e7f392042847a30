import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.similarity.index.conftest import SOURCES, drawing, save_drawings, seen
from twig_assets.engines import opened_engine
from twig_assets.settings.engines import EngineSettings
from twig_assets.similarity import Policy, opened_sources
from twig_assets.similarity.corpus.references import EmptyCorpusError
from twig_assets.similarity.index.audited import IndexedWorks, audit_indexed
from twig_assets.similarity.index.build import Elsewhere, add_works, build_index, remove_works, works_in
from twig_assets.similarity.index.candidates import candidates, described_image
from twig_assets.similarity.index.check import index_recall
from twig_assets.similarity.index.info import described
from twig_assets.similarity.index.manifest import CorpusIndexError
from twig_assets.similarity.index.reader import CorpusIndex


def test_works_have_the_names_of_their_table(works: Path, tmp_path: Path) -> None:
    folder = tmp_path / "named"
    shutil.copytree(works, folder)
    rows = "file,title,rights_holder,licence\nwork-01.png,The Cat,Ann,CC0\n"
    (folder / "references.csv").write_text(rows)
    for paths in ([folder], [folder / "work-01.png"]):
        index = tmp_path / f"index-{paths[0].name}"
        build_index(index, works_in(paths), SOURCES, seen)
        reader = CorpusIndex(index)
        texts = [reader.text(row) for row in range(len(reader))]
        assert ("The Cat", "Ann", "CC0") in [(text.title, text.rights_holder, text.licence) for text in texts]


def test_of_two_empty_files_both_are_unread_until_both_are_mended(works: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(works / "work-00.png", folder)
    for name in ("first.png", "second.png"):
        (folder / name).touch()
    changes = build_index(tmp_path / "index", works_in([folder]), SOURCES, seen)
    assert [Path(work.path).name for work in changes.unread] == ["first.png", "second.png"]
    assert changes.duplicates == []
    for number, name in enumerate(("first.png", "second.png")):
        Image.fromarray(drawing(78 + number)).save(folder / name)
        add_works(tmp_path / "index", works_in([folder / name]), SOURCES, seen)
        left = [Path(work["path"]).name for work in described(tmp_path / "index")["unread"]]
        assert left == ["second.png"][number:]


def test_what_cannot_be_read_is_kept_until_it_is_read_or_removed(works: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    shutil.copytree(works, folder)
    (folder / "text.png").write_text("no picture")
    Image.new("RGB", (32, 32), "white").save(folder / "blank.png")
    shutil.copy(folder / "work-00.png", folder / "work-00 again.png")
    changes = build_index(tmp_path / "index", works_in([folder]), SOURCES, seen)
    assert changes.added == 6
    assert [Path(work.path).name for work in changes.unread] == ["blank.png", "text.png"]
    assert len(changes.duplicates) == 1
    unread = described(tmp_path / "index")["unread"]
    assert [Path(work["path"]).name for work in unread] == ["blank.png", "text.png"]
    Image.fromarray(drawing(77)).save(folder / "text.png")
    add_works(tmp_path / "index", works_in([folder / "text.png"]), SOURCES, seen)
    remove_works(tmp_path / "index", [str(folder / "blank.png")])
    assert described(tmp_path / "index")["unread"] == []


def test_an_animation_with_a_broken_frame_is_there_and_incomplete(tmp_path: Path) -> None:
    folder = tmp_path / "animated"
    folder.mkdir()
    frames = [Image.fromarray(drawing(seed)) for seed in range(3)]
    frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:])
    content = (folder / "a.gif").read_bytes()
    (folder / "a.gif").write_bytes(content[: int(len(content) * 0.8)])
    changes = build_index(tmp_path / "index", works_in([folder]), SOURCES, seen)
    assert changes.added == 1
    assert changes.unread
    assert all("not wholly" in work.reason for work in changes.unread)
    index = CorpusIndex(tmp_path / "index")
    assert {index.text(row).view.split(",")[0] for row in range(len(index))} >= {"frame 1"}
    remove_works(tmp_path / "index", [index.text(0).sha256])
    assert described(tmp_path / "index")["unread"] == []


def test_nothing_to_describe(tmp_path: Path) -> None:
    (tmp_path / "works").mkdir()
    (tmp_path / "works" / "a.png").write_text("no picture")
    with pytest.raises(EmptyCorpusError, match=r"a\.png"):
        build_index(tmp_path / "index", works_in([tmp_path / "works"]), SOURCES, seen)


def test_an_index_is_not_built_over_another(index: Path, works: Path) -> None:
    with pytest.raises(CorpusIndexError, match="twig index add"):
        build_index(index, works_in([works]), SOURCES, seen)


def test_removing_what_is_not_there(index: Path) -> None:
    with pytest.raises(CorpusIndexError, match="is no work of"):
        remove_works(index, ["nothing.png"])


def test_further_descriptors_need_an_index_that_has_them(index: Path, works: Path) -> None:
    with pytest.raises(CorpusIndexError, match="give the policy"):
        add_works(index, works_in([works]), [], seen)


def test_a_copy_fails_and_a_stranger_does_not(index: Path) -> None:
    works = IndexedWorks(CorpusIndex(index), Policy(), SOURCES)
    copy = np.ascontiguousarray(np.rot90(drawing(3)))
    results = audit_indexed([copy, _noise()], works, labels=["copy", "stranger"])
    assert [(result.label, result.verdict) for result in results] == [("copy", "fail"), ("stranger", "pass")]
    assert results[0].nearest is not None
    assert results[0].nearest.path.name == "work-03.png"


def test_a_work_may_be_left_out(index: Path) -> None:
    reader = CorpusIndex(index)
    [asked] = [described_image(drawing(3), SOURCES)]
    [everything], [others] = candidates(reader, [asked]), candidates(reader, [asked], excluded=[reader.text(3).sha256])
    assert {candidate.row for candidate in everything} - {candidate.row for candidate in others} == {3}


def test_a_removed_work_is_no_candidate(index: Path, works: Path) -> None:
    remove_works(index, [str(works / "work-03.png")])
    reader = CorpusIndex(index)
    [found] = candidates(reader, [described_image(drawing(3), SOURCES)])
    assert 3 not in {candidate.row for candidate in found}
    assert len(found) >= 3


def test_a_work_whose_file_changed_is_told(tmp_path: Path) -> None:
    folder = save_drawings(tmp_path / "works", range(2))
    build_index(tmp_path / "index", works_in([folder]), SOURCES, seen)
    Image.fromarray(drawing(50)).save(folder / "work-00.png")
    with pytest.raises(CorpusIndexError, match="has changed since it was described"):
        CorpusIndex(tmp_path / "index").picture(0)
    (folder / "work-00.png").unlink()
    with pytest.raises(CorpusIndexError, match=r"work-00\.png.*put it back"):
        CorpusIndex(tmp_path / "index").picture(0)


def test_the_sampled_comparison_says_what_is_found(index: Path) -> None:
    recall = index_recall(CorpusIndex(index), SOURCES, Policy(), queries=8)
    assert (recall.queries, recall.compared) == (8, 6)
    assert recall.candidate_recall == 1.0
    assert recall.alike >= 6


def _noise() -> np.ndarray:
    coarse = np.random.default_rng(9).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((128, 128), Image.Resampling.BICUBIC))


def test_works_that_workers_describe_make_the_same_index(works: Path, tmp_path: Path) -> None:
    thresholds = Policy().model_dump()
    build_index(tmp_path / "here", works_in([works]), opened_sources(thresholds), seen)
    with opened_engine(EngineSettings(workers=2)) as engine:
        elsewhere = Elsewhere(engine, thresholds)
        done: list[int] = []
        build_index(
            tmp_path / "there",
            works_in([works]),
            opened_sources(thresholds),
            lambda count, total: done.append(count),
            elsewhere,
        )
    assert done == sorted(done)
    assert _files(tmp_path / "here") == _files(tmp_path / "there")


def _files(index: Path) -> list[tuple[str, bytes]]:
    """The files of the segments; the names of the segments are random."""
    files = sorted(file for file in (index / "segments").rglob("*") if file.is_file())
    return [(file.name, file.read_bytes()) for file in files]
