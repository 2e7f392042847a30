import json
import pickle
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.unit.similarity.index.conftest import drawing, save_drawings, seen
from twig_assets.engines import copy_of
from twig_assets.folder_audit import audit_folder
from twig_assets.folder_audit.indexed import IndexedCorpus, is_index
from twig_assets.folder_audit.work import WorkError
from twig_assets.similarity import Policy, opened_sources
from twig_assets.similarity.corpus.references import EmptyCorpusError
from twig_assets.similarity.index.build import add_works, build_index, remove_works, works_in
from twig_assets.similarity.index.manifest import CorpusIndexError
from twig_assets.similarity.index.reader import CorpusIndex

POLICY = Policy(sscd_network="none")
SOURCES = opened_sources(POLICY.model_dump())


@pytest.fixture
def index(tmp_path: Path) -> Path:
    build_index(tmp_path / "index", works_in([save_drawings(tmp_path / "works", range(5))]), SOURCES, seen)
    return tmp_path / "index"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    ImageOps.mirror(Image.fromarray(drawing(2))).save(folder / "copy.png")
    coarse = np.random.default_rng(9).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((128, 128), Image.Resampling.BICUBIC).save(folder / "stranger.png")
    return folder


def test_an_index_and_its_folder_give_the_same_verdicts_and_scores(images: Path, index: Path, tmp_path: Path) -> None:
    assert is_index(index)
    assert not is_index(tmp_path / "works")
    by_index = audit_folder(images, index, POLICY, tmp_path / "out", sample=0)
    by_folder = audit_folder(images, tmp_path / "works", POLICY, tmp_path / "other", sample=0)
    assert [image.verdict for image in by_index.judged] == ["fail", "pass"]
    assert [image.result["scores"] for image in by_index.judged] == [
        image.result["scores"] for image in by_folder.judged
    ]
    assert by_index.judged[0].result["nearest"] == by_folder.judged[0].result["nearest"]
    assert by_index.summary["references"]["corpus_version"] == by_folder.summary["references"]["corpus_version"]
    assert "work-02" in (tmp_path / "out" / "gallery.html").read_text()
    assert "looked for in an index" in by_index.summary["method"]


def test_an_audit_goes_on_when_the_index_has_grown(images: Path, index: Path, tmp_path: Path) -> None:
    remove_works(index, [str(tmp_path / "works" / "work-02.png")])
    before = audit_folder(images, index, POLICY, tmp_path / "out", sample=2)
    assert before.judged[0].verdict == "pass"
    add_works(index, works_in([tmp_path / "works" / "work-02.png"]), SOURCES, seen)
    after = audit_folder(images, index, POLICY, tmp_path / "out", sample=2)
    assert after.judged[0].verdict == "fail"


def test_what_the_index_lacks_makes_the_audit_incomplete(images: Path, index: Path, tmp_path: Path) -> None:
    (tmp_path / "works" / "text.png").write_text("no picture")
    add_works(index, works_in([tmp_path / "works" / "text.png"]), SOURCES, seen)
    summary = audit_folder(images, index, POLICY, tmp_path / "out", sample=0).summary
    assert not summary["complete"]
    assert [Path(work["file"]).name for work in summary["references"]["unread"]] == ["text.png"]
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["complete"] is False


def test_a_work_whose_file_is_gone_ends_the_audit(images: Path, index: Path, tmp_path: Path) -> None:
    (tmp_path / "works" / "work-02.png").unlink()
    with pytest.raises(CorpusIndexError, match=r"work-02\.png.*twig index remove"):
        audit_folder(images, index, POLICY, tmp_path / "out", sample=0)


def test_a_worker_opens_the_index_that_the_run_began_with(index: Path, tmp_path: Path) -> None:
    packed = pickle.dumps(IndexedCorpus(CorpusIndex(index), POLICY))
    assert pickle.loads(packed).version == CorpusIndex(index).version
    remove_works(index, [str(tmp_path / "works" / "work-00.png")])
    with pytest.raises(WorkError, match="has changed since the run began"):
        pickle.loads(packed)


def test_a_manifest_of_something_else_is_no_index(tmp_path: Path) -> None:
    for content in ("[]", "no JSON", '{"name": "photographs"}'):
        (tmp_path / "manifest.json").write_text(content)
        assert not is_index(tmp_path)


def test_an_index_may_lie_at_any_url(
    images: Path, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIG_COPIES", str(tmp_path / "copies"))
    bucket = fsspec.filesystem("memory")
    for path in index.rglob("*.*"):
        if path.is_file():
            bucket.pipe(f"/bucket/index/{path.relative_to(index)}", path.read_bytes())
    copy = copy_of("memory://bucket/index")
    assert copy is not None
    by_url = audit_folder(images, copy.bring(), POLICY, tmp_path / "out", sample=0, copies=(copy,))
    assert [image.verdict for image in by_url.judged] == ["fail", "pass"]


def test_an_index_without_works_passes_nothing(images: Path, index: Path, tmp_path: Path) -> None:
    remove_works(index, [str(path) for path in (tmp_path / "works").iterdir()])
    with pytest.raises(EmptyCorpusError, match="has no works"):
        audit_folder(images, index, POLICY, tmp_path / "out", sample=0)


def test_descriptions_of_another_network_are_refused(index: Path) -> None:
    reader = CorpusIndex(index)
    reader.manifest = reader.manifest.model_copy(update={"identities": {"hog": "another"}})
    with pytest.raises(CorpusIndexError, match="another hog than the policy"):
        IndexedCorpus(reader, POLICY)
