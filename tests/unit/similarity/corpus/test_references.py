"""The corpus of protected works."""

import io
import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.unit.similarity.corpus.picture_files import logo, scene
from tests.unit.similarity.pictures import encoded
from twig_assets.similarity import CorpusError, EmptyCorpusError, corpus_version, read_references
from twig_assets.similarity.corpus import references as module
from twig_assets.similarity.corpus.files import LEADS_OUT

DEMO = Path(__file__).parents[4] / "campaigns" / "demo" / "references"
HEADER = "file,title,rights_holder,licence\n"


def save(path: Path, seed: int = 0, **options: object) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return pixels


def png(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", **options)
    return buffer.getvalue()


def huge_png(side: int) -> bytes:
    """A PNG that claims a size which would fill the memory, in a few bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_the_demo_corpus_holds_the_eight_planted_works_and_their_owners(works: np.ndarray) -> None:
    references, unreadable = read_references(DEMO)
    assert unreadable == []
    assert len(references) == 8
    assert {reference.rights_holder for reference in references} == {"twig-assets demo (invented)"}
    assert {reference.pixels.tobytes() for reference in references} == {work.tobytes() for work in works}


def test_the_table_gives_title_owner_and_licence_and_may_miss_a_picture(tmp_path: Path) -> None:
    pixels = save(tmp_path / "a.png")
    (tmp_path / "more").mkdir()
    save(tmp_path / "more" / "b.png", seed=1)
    (tmp_path / "references.csv").write_text(HEADER + 'a.png,"Dawn, no. 2",Ada,CC0\n', encoding="utf-8-sig")
    (tmp_path / "README.md").write_text("notes")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (a, b), unreadable = read_references(tmp_path)
    assert (a.title, a.rights_holder, a.licence) == ("Dawn, no. 2", "Ada", "CC0")
    assert (b.title, b.rights_holder, b.licence) == ("b", "not stated", "not stated")
    np.testing.assert_array_equal(a.pixels, pixels)
    assert unreadable == []


def test_broken_files_are_reported_with_their_reason_and_the_rest_is_read(tmp_path: Path) -> None:
    shutil.copy(DEMO / "clock.png", tmp_path / "good.png")
    shutil.copy(DEMO / "clock.png", tmp_path / "same.png")
    whole = (DEMO / "engine.png").read_bytes()
    (tmp_path / "truncated.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "bomb.png").write_bytes(huge_png(60_000))
    (tmp_path / "big.png").write_bytes(huge_png(11_000))
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 0xFF
    (tmp_path / "flipped.png").write_bytes(bytes(flipped))
    (tmp_path / "layers.psd").write_bytes(b"8BPS" + bytes(40))
    (tmp_path / "references.csv").write_text(HEADER + "gone.png,Gone,Ada,CC0\n")
    references, unreadable = read_references(tmp_path)
    assert [reference.path.name for reference in references] == ["good.png"]
    reasons = {one.path.name: one.reason for one in unreadable}
    damaged = {"truncated.png", "flipped.png", "empty.png", "text.jpg", "layers.psd"}
    assert set(reasons) == damaged | {"same.png", "gone.png", "bomb.png", "big.png"}
    assert reasons["same.png"] == "is the same file as good.png, which is compared with"
    assert reasons["truncated.png"].startswith("is damaged (")
    assert reasons["flipped.png"].startswith("is damaged (")
    assert "No such file or directory" in reasons["gone.png"]
    assert all("too many pixels" in reasons[name] for name in ("bomb.png", "big.png"))
    assert reasons["empty.png"].startswith("is empty (0 bytes)")
    assert reasons["text.jpg"].startswith("is a text file, not a picture")
    assert reasons["layers.psd"].startswith("is a Photoshop document")


def test_an_empty_corpus_is_an_error_that_names_what_could_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(EmptyCorpusError, match="no readable reference image; put the protected works there"):
        read_references(tmp_path / "nowhere")
    (tmp_path / "bad.png").write_bytes(b"x")
    with pytest.raises(EmptyCorpusError, match="bad.png: is not an image of a known format"):
        read_references(tmp_path)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("name,title\n", "references.csv:1: header: must be file,title,rights_holder,licence, is name,title"),
        ("", "references.csv:1: header: must be"),
        (HEADER + "a.png,Dawn\n", "references.csv:2: row: does not have 4 cells"),
        (HEADER + "a.png,Dawn, no. 2,Ada,CC0\n", "references.csv:2: row: does not have 4 cells"),
        (HEADER + "../a.png,Dawn,Ada,CC0\n", "references.csv:2: file: '../a.png' is not a file below this folder"),
        (HEADER + "/etc/passwd,Dawn,Ada,CC0\n", "references.csv:2: file: '/etc/passwd' is not a file below"),
        (HEADER + "a.png,Dawn,Ada,CC0\na.png,Dusk,Ada,CC0\n", "references.csv:3: file: 'a.png' is there twice"),
        (HEADER + ",Dawn,Ada,CC0\n", "references.csv:2: file: '' is not a file"),
        (HEADER + '"a.png,Dawn\n', "references.csv: row: is not valid CSV"),
    ],
)
def test_a_bad_table_is_told_with_its_line(tmp_path: Path, table: str, told: str) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "references.csv").write_text(table)
    with pytest.raises(CorpusError) as caught:
        read_references(tmp_path)
    assert told in str(caught.value)


def test_a_table_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "references.csv").write_bytes(HEADER.encode() + b"a.png,D\xe4mmerung,Ada,CC0\n")
    with pytest.raises(CorpusError, match="is not UTF-8 text"):
        read_references(tmp_path)


def test_a_corpus_version_depends_on_the_set_of_works_only() -> None:
    assert corpus_version(["b", "a"]) == corpus_version(["a", "b", "a"])
    assert len({corpus_version(x) for x in ([], ["a"], ["b"], ["a", "b"], ["ab"])}) == 5


def test_odd_names_links_and_pipes_in_the_corpus_are_read_or_said(tmp_path: Path) -> None:
    save(Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9j\xe0\nvu.png")))
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    [reference], unreadable = read_references(tmp_path)
    assert reference.title == "d\\xe9j\\xe0\\x0avu"
    assert {one.path.name: one.reason for one in unreadable} == {
        "loop": "is a link to a folder that is read already; not read twice",
        "pipe.png": "is not a regular file",
    }


def test_a_work_is_read_in_all_views_and_one_that_shows_one_colour_in_all_of_them_is_not(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(encoded(logo((255, 255, 255))))
    (tmp_path / "blank.png").write_bytes(encoded(Image.new("RGB", (64, 64), (255, 255, 255))))
    references, [blank] = read_references(tmp_path)
    assert [(work.path.name, work.view) for work in references] == [
        ("logo.png", "on black"),
        ("logo.png", "its own shape in black"),
    ]
    assert len({work.sha256 for work in references}) == 1
    assert "transparent: looked at" in references[0].notes[0]
    assert blank.path.name == "blank.png"
    assert blank.reason.startswith("shows one colour only")


def test_a_work_of_which_a_frame_is_missing_is_compared_with_and_listed(tmp_path: Path) -> None:
    pages = encoded(scene(seed=1), "TIFF", save_all=True, append_images=[scene(seed=2)])
    (tmp_path / "cut.tif").write_bytes(pages[: len(pages) * 3 // 4])
    [work], [partly] = read_references(tmp_path)
    assert (work.path, work.sha256) == (partly.path, partly.sha256)
    assert partly.reason.startswith("is not wholly compared with: ")
    assert not partly.duplicate


def test_a_link_out_of_the_corpus_is_not_followed_even_if_the_table_names_what_is_behind_it(tmp_path: Path) -> None:
    works, elsewhere = tmp_path / "works", tmp_path / "elsewhere"
    works.mkdir()
    elsewhere.mkdir()
    save(works / "here.png")
    (elsewhere / "there.png").write_bytes(encoded(scene(seed=5)))
    (works / "linked").symlink_to(elsewhere)
    (works / "references.csv").write_text(f"{HEADER}\nlinked/there.png,There,A,none\n")
    references, unreadable = read_references(works)
    assert [work.path.name for work in references] == ["here.png"]
    assert {file.path.relative_to(works).as_posix(): file.reason for file in unreadable} == {
        "linked": LEADS_OUT,
        "linked/there.png": LEADS_OUT,
    }
    references, unreadable = read_references(works, follow_links=True)
    assert ([work.title for work in references], unreadable) == (["here", "There"], [])


def test_a_sparse_file_of_six_gigabytes_is_refused_by_its_size_and_a_table_of_that_size_too(tmp_path: Path) -> None:
    save(tmp_path / "good.png")
    with (tmp_path / "vast.png").open("wb") as file:
        file.truncate(6 << 30)
    _, [vast] = read_references(tmp_path)
    assert vast.reason.startswith("has 6,442,450,944 bytes, more than the ")
    os.rename(tmp_path / "vast.png", tmp_path / "references.csv")
    with pytest.raises(CorpusError, match="is it the table of the works"):
        read_references(tmp_path)


def test_a_table_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    save(tmp_path / "good.png")
    (tmp_path / "references.csv").mkdir()
    with pytest.raises(CorpusError, match="references.csv: file: cannot be read"):
        read_references(tmp_path)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("odd")])
def test_a_work_that_the_memory_does_not_suffice_for_is_listed_and_the_others_are_read(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "good.png")
    (tmp_path / "large.png").write_bytes(encoded(scene(200, 200, seed=5)))

    def reduced(pixels: np.ndarray, longest: int) -> np.ndarray:
        if max(pixels.shape) >= 200:
            raise error
        return pixels

    monkeypatch.setattr("twig_assets.similarity.corpus.references.reduced", reduced)
    [work], [large] = read_references(tmp_path)
    assert (work.path.name, large.path.name) == ("good.png", "large.png")
    assert large.reason.startswith("needs more memory" if isinstance(error, MemoryError) else "is damaged")


def test_a_folder_that_vanishes_while_it_is_read_leaves_works_that_are_listed_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.png").write_bytes(encoded(scene(seed=5)))
    read_file = module.read_file

    def vanishing(path: Path) -> bytes:
        content = read_file(path)
        shutil.rmtree(tmp_path / "deep", ignore_errors=True)
        return content

    monkeypatch.setattr(module, "read_file", vanishing)
    [work], [gone] = read_references(tmp_path)
    assert (work.path.name, gone.path.name) == ("a.png", "b.png")
    assert "No such file" in gone.reason
