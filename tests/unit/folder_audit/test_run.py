"""Audits of whole folders."""

import csv
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from tests.unit.similarity.corpus.test_files import unprivileged  # noqa: F401
from tests.unit.similarity.pictures import claims, encoded, noise, turned_by_exif
from twig_assets.folder_audit import FolderAuditError, Outcome, audit_folder, compare, comparing, kept_pictures
from twig_assets.folder_audit.work import WorkError, WorkFolder
from twig_assets.settings.engines import EngineSettings
from twig_assets.similarity import EmptyCorpusError, Policy, audit, read_references
from twig_assets.similarity.detectors.alignment_strength import AlignmentStrength
from twig_assets.similarity.detectors.sift import Sift

POLICY = Policy(ssim_threshold=0.6, review_margin=0.1)
FILES = ("audit.csv", "audit.parquet", "gallery.html", "summary.json")


def run(images: Path, references: Path, out: Path, policy: Policy = POLICY) -> Outcome:
    return audit_folder(images, references, policy, out, sample=2)


def verdicts(outcome: Outcome) -> dict[str, str]:
    return {one.file.name: one.verdict for one in outcome.judged}


def written(out: Path) -> dict[str, bytes]:
    """What an audit wrote, without the moment when it did and the folder's own name."""
    return {name: re.sub(rb"<time.*?</time>", b"", (out / name).read_bytes()) for name in FILES}


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of pairs in each comparison with the squeezed corpus."""
    pairs: list[int] = []
    real = comparing.ssim_all_pairs

    def counting(queries: np.ndarray, references: np.ndarray, **options: int) -> np.ndarray:
        pairs.append(len(queries) // 8 * len(references))
        return real(queries, references, **options)

    monkeypatch.setattr(comparing, "ssim_all_pairs", counting)
    return pairs


def test_copies_fail_and_say_of_what_and_how(images: Path, references: Path, tmp_path: Path) -> None:
    outcome = run(images, references, tmp_path / "out")
    assert verdicts(outcome) == {"copy.png": "fail", "mirrored.png": "fail", "other.png": "pass"}
    copy, mirrored, _ = outcome.judged
    borne_out = "and weighted by information it is 1.000, 0.35 or more"
    assert copy.result["reasons"][0] == f"SSIM 1.000 to 'Alpha' reaches the threshold 0.6, {borne_out}"
    assert mirrored.result["matches"][0]["transform"] == "mirror"
    assert outcome.summary["images"] == {
        "files": 3,
        "distinct": 3,
        "fail": 2,
        "review": 0,
        "inconclusive": 0,
        "pass": 1,
    }


def test_the_verdict_is_that_of_the_audit_against_the_whole_corpus(
    images: Path, references: Path, tmp_path: Path
) -> None:
    corpus, _ = read_references(references)
    for one in run(images, references, tmp_path / "out").judged:
        [whole] = audit(np.asarray(Image.open(one.file.path))[None], corpus, POLICY, labels=[one.file.name])
        assert one.verdict == whole.verdict
        assert one.ssim == whole.scores["ssim"]
        assert one.result["nearest"] == (whole.nearest.sha256 if whole.nearest else None)
        assert [m["ssim"] for m in one.result["matches"]] == [m.ssim for m in whole.matches]


def test_tables_have_a_row_for_every_image_reference_and_rank(images: Path, references: Path, tmp_path: Path) -> None:
    (images / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    outcome = run(images, references, tmp_path / "out")
    parquet = pyarrow.parquet.read_table(tmp_path / "out" / "audit.parquet").to_pylist()
    with (tmp_path / "out" / "audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["image"], row["rank"]) for row in rows] == [
        ("broken.png", ""),
        *((name, str(rank)) for name in ("copy.png", "mirrored.png", "other.png") for rank in (1, 2, 3)),
    ]
    assert [row["image"] for row in parquet] == [row["image"] for row in rows]
    first = parquet[1]
    assert (first["title"], first["rights_holder"], first["licence"]) == ("Alpha", "Ada", "CC0")
    assert first["ssim"] == pytest.approx(1)
    assert first["ssim_threshold"] == 0.6
    assert first["policy_sha256"] == POLICY.sha256
    assert first["corpus_version"] == outcome.summary["references"]["corpus_version"]
    assert first["scikit-image version"]
    assert {row["resized_from"] for row in parquet if row["reference"] == "c.png"} == {"60 x 50"}


def test_the_summary_has_percentiles_shares_and_the_corpus_against_itself(
    images: Path, references: Path, tmp_path: Path
) -> None:
    run(images, references, tmp_path / "out")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["ssim"]["maximum"] == pytest.approx(1)
    assert summary["ssim"]["scored"] == 3
    assert [(s["verdict"], s["threshold"]) for s in summary["ssim"]["share_from"]] == [("review", 0.5), ("fail", 0.6)]
    assert summary["ssim"]["share_from"][1]["share"] == pytest.approx(2 / 3)
    assert summary["baseline"]["scored"] == 2
    assert summary["baseline"]["maximum"] < 0.5
    assert summary["recall"]["by_transform"] == {
        "identical": {"planted": 1, "found": 1},
        "jpeg 30": {"planted": 1, "found": 1},
    }


def test_the_page_needs_nothing_else_and_shows_the_worst_first(images: Path, references: Path, tmp_path: Path) -> None:
    (images / "<b>&.png").write_bytes(b"nothing")
    audit_folder(images, references, POLICY, tmp_path / "out", sample=0, shown=3)
    page = (tmp_path / "out" / "gallery.html").read_text()
    assert page.count("<script") == 2
    assert "://" not in page
    assert page.index("copy.png") < page.index("mirrored.png") < page.index("&lt;b&gt;&amp;.png")
    assert "other.png" not in page
    assert "1 more, none of them worse" in page
    assert page.count("data:image/png") == 6
    assert "local features agree on how the work (right) lies on the image: identical" in page


def test_running_again_compares_nothing_and_writes_the_same(
    images: Path, references: Path, tmp_path: Path, compared: list[int]
) -> None:
    run(images, references, tmp_path / "out")
    before, count = written(tmp_path / "out"), len(compared)
    run(images, references, tmp_path / "out")
    assert len(compared) == count
    assert written(tmp_path / "out") == before


def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_output(
    images: Path, references: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compared: list[int]
) -> None:
    run(images, references, tmp_path / "whole")
    monkeypatch.setattr(compare, "SHARD", 1)
    monkeypatch.setattr(comparing, "SPAN", 2)
    put, saved = WorkFolder.put_scan, []

    def killed(self: WorkFolder, *given: object) -> None:
        if len(saved) == 3:
            raise KeyboardInterrupt
        saved.append(given)
        put(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(WorkFolder, "put_scan", killed)
    with pytest.raises(KeyboardInterrupt):
        run(images, references, tmp_path / "out")
    monkeypatch.setattr(WorkFolder, "put_scan", put)
    compared.clear()
    run(images, references, tmp_path / "out")
    # Each of the three images had met two of the three works.
    assert sum(compared) == (3 + 2 + 2) * 3 - 3 * 2
    assert written(tmp_path / "out") == written(tmp_path / "whole")


def test_a_new_reference_meets_every_image_and_a_new_image_every_reference_and_nothing_else_is_done_again(
    images: Path, references: Path, tmp_path: Path, works: list[np.ndarray], compared: list[int]
) -> None:
    audit_folder(images, references, POLICY, tmp_path / "out", sample=0)
    compared.clear()
    Image.fromarray(works[3]).save(references / "d.png")
    assert verdicts(audit_folder(images, references, POLICY, tmp_path / "out", sample=0))["other.png"] == "fail"
    assert compared == [3]
    compared.clear()
    Image.fromarray(works[2]).save(images / "late.png")
    late = audit_folder(images, references, POLICY, tmp_path / "out", sample=0)
    assert verdicts(late)["late.png"] == "fail"
    assert compared == [4]
    audit_folder(images, references, POLICY, tmp_path / "anew", sample=0)
    assert written(tmp_path / "out") == written(tmp_path / "anew")


def test_a_withdrawn_reference_is_no_longer_found_and_is_when_it_comes_back(
    images: Path, references: Path, tmp_path: Path
) -> None:
    run(images, references, tmp_path / "out")
    work = (references / "a.png").read_bytes()
    (references / "references.csv").unlink()
    (references / "a.png").unlink()
    assert verdicts(run(images, references, tmp_path / "out"))["copy.png"] == "pass"
    (references / "again.png").write_bytes(work)
    assert verdicts(run(images, references, tmp_path / "out"))["copy.png"] == "fail"


def test_another_policy_gives_other_verdicts_from_the_same_comparisons(
    images: Path, references: Path, tmp_path: Path, compared: list[int]
) -> None:
    run(images, references, tmp_path / "out")
    compared.clear()
    lax = run(images, references, tmp_path / "out", Policy(ssim_threshold=0.999, review_margin=0))
    assert verdicts(lax)["mirrored.png"] == "fail"
    assert lax.judged[0].result["thresholds"]["ssim_threshold"] == 0.999
    assert compared == []


def test_two_workers_write_the_same_bytes_as_one(images: Path, references: Path, tmp_path: Path) -> None:
    two = EngineSettings(workers=2)
    run(images, references, tmp_path / "one")
    audit_folder(images, references, POLICY, tmp_path / "two", sample=2, engine=two)
    assert written(tmp_path / "two") == written(tmp_path / "one")


def test_a_work_is_described_once(
    images: Path, references: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = []
    real = Sift.describe
    monkeypatch.setattr(Sift, "describe", lambda self, picture: described.append(picture.shape) or real(self, picture))
    monkeypatch.setattr(AlignmentStrength, "describe", Sift.describe)
    run(images, references, tmp_path / "out")
    assert sorted(described) == sorted([(40, 40, 3), (40, 40, 3), (50, 60, 3)])
    shutil.copy(images / "mirrored.png", images / "again.png")
    Image.fromarray(noise(40, 40)).save(images / "new.png")
    described.clear()
    run(images, references, tmp_path / "out")
    assert described == []


def test_a_picture_of_the_page_is_drawn_once_whatever_the_policy(
    images: Path, references: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    real = kept_pictures.pictures
    monkeypatch.setattr(
        kept_pictures, "pictures", lambda judged, corpus: drawn.append(judged.file.name) or real(judged, corpus)
    )
    run(images, references, tmp_path / "out")
    assert sorted(drawn) == ["copy.png", "mirrored.png", "other.png"]
    drawn.clear()
    run(images, references, tmp_path / "out", Policy(ssim_threshold=0.999, review_margin=0))
    assert drawn == []


BAD = {
    "empty.png": b"",
    "text.jpg": b"not a picture",
    "cut.png": encoded(noise(40, 40))[:900],
    "bomb.png": claims(20_000, 20_000),
    "dot.png": encoded(noise(1, 1)),
    "line.png": encoded(noise(1, 5000)),
    "plain.png": encoded(np.full((40, 40, 3), 90, np.uint8)),
}
GOOD = {
    "wide.png": encoded(noise(1, 20_000).repeat(720, axis=0)),
    "deep.png": encoded(np.linspace(0, 65535, 1600).astype(np.uint16).reshape(40, 40)),
    "palette.gif": encoded(Image.fromarray(noise(40, 40)).convert("P"), "GIF"),
    "print.jpg": encoded(Image.fromarray(noise(40, 40)).convert("CMYK"), "JPEG"),
    "clear.png": encoded(np.dstack([noise(40, 40), np.tile(np.arange(0, 240, 6, np.uint8), (40, 1))])),
    "camera.jpg": turned_by_exif(noise(40, 30), 6),
    "moving.gif": encoded(
        Image.fromarray(noise(40, 40)), "GIF", save_all=True, append_images=[Image.new("RGB", (40, 40))]
    ),
    "wrong.png": encoded(noise(40, 40, 3), "JPEG"),
}


def test_of_every_kind_of_bad_input_each_file_has_a_verdict_and_a_reason(references: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    for name, content in {**BAD, **GOOD}.items():
        (folder / name).write_bytes(content)
    odd = os.fsdecode(b"two\nlines\xff.png")
    (folder / odd).write_bytes(encoded(noise(40, 40, 7)))
    (folder / "loop").symlink_to(folder)
    (folder / "dead.png").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe")
    (folder / ".hidden").write_bytes(b"")
    outcome = run(folder, references, tmp_path / "out")
    found = verdicts(outcome)
    unjudged = {*BAD, "loop", "dead.png", "pipe"}
    assert {name for name, verdict in found.items() if verdict == "inconclusive"} == unjudged
    assert set(found) == unjudged | set(GOOD) | {"two\\x0alines\\xff.png"}
    assert all(one.result["reasons"][0] for one in outcome.judged)
    assert outcome.summary["passed_over"] == [".hidden"]
    assert {one["file"] for one in outcome.summary["inconclusive"]} == unjudged
    with (tmp_path / "out" / "audit.csv").open(newline="") as file:
        assert {row["image"] for row in csv.DictReader(file)} == set(found)
    page = (tmp_path / "out" / "gallery.html").read_text()
    assert all(name in page for name in found)
    notes = {one.file.name: one.notes for one in outcome.judged}
    assert notes["wide.png"] == ("reduced from 20000 x 720 to 512 x 18 px before it was compared",)
    assert notes["wrong.png"] == ("is a JPEG file, though its name ends with .png",)


def test_files_that_may_not_be_read_are_inconclusive(references: Path, unprivileged: Path, tmp_path: Path) -> None:  # noqa: F811
    closed = unprivileged / "images"
    closed.mkdir()
    (closed / "a.png").write_bytes(encoded(noise(40, 40)))
    (closed / "a.png").chmod(0)
    works = unprivileged / "references"
    works.mkdir()
    (works / "b.png").write_bytes(encoded(noise(40, 40)))
    (works / "c.png").write_bytes(encoded(noise(40, 40, 1)))
    (works / "c.png").chmod(0)
    outcome = run(closed, works, unprivileged / "out")
    [one] = outcome.judged
    assert one.verdict == "inconclusive"
    assert "Permission denied" in one.result["reasons"][0]
    [unread] = outcome.summary["references"]["not_compared"]
    assert unread["file"] == "c.png"
    assert "Permission denied" in unread["reason"]


def test_bad_and_double_references_are_said_and_the_rest_is_compared_with(
    images: Path, references: Path, tmp_path: Path
) -> None:
    shutil.copy(references / "b.png", references / "twin.png")
    (references / "zero.png").write_bytes(b"")
    (references / "loop").symlink_to(references)
    outcome = run(images, references, tmp_path / "out")
    assert outcome.summary["references"]["compared"] == 3
    reasons = {one["file"]: one["reason"] for one in outcome.summary["references"]["not_compared"]}
    assert reasons["twin.png"] == "is the same file as b.png, which is compared with"
    assert reasons["zero.png"].startswith("is empty (0 bytes)")
    assert reasons["loop"] == "is a link to a folder that is read already; not read twice"


def test_the_same_content_twice_is_judged_once_and_listed_twice(
    images: Path, references: Path, tmp_path: Path, compared: list[int]
) -> None:
    shutil.copy(images / "copy.png", images / "twin.png")
    outcome = audit_folder(images, references, POLICY, tmp_path / "out", sample=0)
    assert compared == [3 * 3]
    assert verdicts(outcome)["twin.png"] == "fail"
    assert outcome.summary["images"]["distinct"] == 3


def test_one_image_can_be_named_instead_of_a_folder(images: Path, references: Path, tmp_path: Path) -> None:
    assert verdicts(run(images / "copy.png", references, tmp_path / "out")) == {"copy.png": "fail"}


def test_what_cannot_be_audited_is_told(images: Path, references: Path, tmp_path: Path) -> None:
    with pytest.raises(FolderAuditError, match="nowhere: No such file or directory; name a folder"):
        run(tmp_path / "nowhere", references, tmp_path / "out")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(FolderAuditError, match="there is no file to audit"):
        run(tmp_path / "nothing", references, tmp_path / "out")
    with pytest.raises(FolderAuditError, match="lies within"):
        run(images, references, images / "out")
    with pytest.raises(EmptyCorpusError, match="No such file"):
        run(images, tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(EmptyCorpusError, match="no readable reference"):
        run(images, tmp_path / "nothing", tmp_path / "out")


def test_two_audits_do_not_work_in_one_folder(images: Path, references: Path, tmp_path: Path) -> None:
    first = WorkFolder(tmp_path / "out" / "work")
    with pytest.raises(WorkError, match="another audit is at work here"):
        run(images, references, tmp_path / "out")
    first.close()
    run(images, references, tmp_path / "out")
