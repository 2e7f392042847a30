"""Images and works of several views: frames, pages and grounds."""

import csv
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from tests.unit.folder_audit.test_command import twig
from tests.unit.similarity.corpus.picture_files import animation, logo, mpo, scene
from tests.unit.similarity.pictures import encoded
from twig_assets.folder_audit import Outcome, audit_folder
from twig_assets.folder_audit.views import worst_view
from twig_assets.folder_audit.work import VERSION, WorkFolder
from twig_assets.similarity import Policy

WHITE = (255, 255, 255)
BLANK = encoded(Image.new("RGB", (64, 64), WHITE))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Images, works and output."""
    images, works = tmp_path / "images", tmp_path / "works"
    images.mkdir()
    works.mkdir()
    (works / "plain.png").write_bytes(encoded(scene(seed=100)))
    return images, works, tmp_path / "out"


def run(folders: tuple[Path, Path, Path]) -> Outcome:
    images, works, out = folders
    return audit_folder(images, works, Policy(), out, sample=0)


def behind(outcome: Outcome) -> dict[str, tuple[str, list[str]]]:
    """Name of an image -> its verdict and the names of the works behind it."""
    with (outcome.out / "audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        image.file.name: (
            image.verdict,
            [
                row["reference"]
                for row in rows
                if row["image"] == image.file.name and row["behind_verdict"].lower() == "true"
            ],
        )
        for image in outcome.judged
    }


def test_a_white_logo_is_found_on_a_dark_ground_and_unrelated_photographs_pass(
    folders: tuple[Path, Path, Path],
) -> None:
    images, works, _ = folders
    (works / "logo.png").write_bytes(encoded(logo(WHITE)))
    navy = Image.new("RGB", (64, 64), (20, 30, 90))
    navy.paste(logo(WHITE), mask=logo(WHITE).getchannel("A"))
    (images / "on-navy.png").write_bytes(encoded(navy))
    (images / "scene.png").write_bytes(encoded(scene(seed=7)))
    outcome = run(folders)
    assert behind(outcome) == {"on-navy.png": ("fail", ["logo.png"]), "scene.png": ("pass", [])}
    assert outcome.judged[0].nearest_match is not None
    assert outcome.judged[0].nearest_match["reference_view"] == "on black"
    assert "transparent: looked at" in outcome.summary["references"]["notes"][0]["notes"][0]
    page = (outcome.out / "gallery.html").read_text()
    assert "as it is, on black" in page
    assert "transparent: looked at" in page


def test_a_white_sticker_is_judged_and_shown_on_the_ground_on_which_it_is_a_copy(
    folders: tuple[Path, Path, Path],
) -> None:
    images, works, _ = folders
    black = Image.new("RGB", (64, 64))
    black.paste(logo(WHITE), mask=logo(WHITE).getchannel("A"))
    (works / "poster.png").write_bytes(encoded(black))
    (images / "sticker.png").write_bytes(encoded(logo(WHITE)))
    outcome = run(folders)
    [sticker] = outcome.judged
    assert behind(outcome) == {"sticker.png": ("fail", ["poster.png"])}
    assert sticker.view == "on black"
    assert sticker.result["reasons"][0].startswith("on black: SSIM 1.000 to 'poster'")
    assert "64 × 64 px, on black" in (outcome.out / "gallery.html").read_text()


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_a_copy_in_the_third_frame_is_found_and_the_frame_named(folders: tuple[Path, Path, Path], format: str) -> None:
    images, works, _ = folders
    (works / "work.png").write_bytes(encoded(scene(seed=3)))
    name = f"moving.{format.lower()}"
    (images / name).write_bytes(animation([scene(seed=seed) for seed in (1, 2, 3)], format))
    (images / f"innocent.{format.lower()}").write_bytes(animation([scene(seed=seed) for seed in (4, 5, 6)], format))
    outcome = run(folders)
    assert behind(outcome)[name] == ("fail", ["work.png"])
    assert behind(outcome)[f"innocent.{format.lower()}"][0] == "pass"
    copy = next(image for image in outcome.judged if image.file.name == name)
    assert copy.view == "frame 3"
    assert copy.result["reasons"][0].startswith("frame 3: ")
    assert any("frame 3" in note for note in copy.notes)


def test_works_behind_several_frames_are_all_behind_the_verdict(folders: tuple[Path, Path, Path]) -> None:
    images, works, _ = folders
    for seed in (2, 3):
        (works / f"{seed}.png").write_bytes(encoded(scene(seed=seed)))
    frames = animation([scene(seed=seed) for seed in (1, 2, 3)], "WEBP")
    (images / "moving.webp").write_bytes(frames)
    verdict, names = behind(run(folders))["moving.webp"]
    assert verdict == "fail"
    assert sorted(names) == ["2.png", "3.png"]


def test_the_second_page_of_a_work_is_found_under_the_name_of_the_work(folders: tuple[Path, Path, Path]) -> None:
    images, works, _ = folders
    pages = encoded(scene(seed=1), "TIFF", save_all=True, append_images=[scene(seed=2)])
    (works / "book.tif").write_bytes(pages)
    (images / "page.png").write_bytes(encoded(scene(seed=2)))
    outcome = run(folders)
    assert behind(outcome) == {"page.png": ("fail", ["book.tif"])}
    assert outcome.summary["references"]["compared"] == 2
    match = outcome.judged[0].nearest_match
    assert match is not None
    assert match["reference_view"] == "page 2"
    assert [match["rank"] for match in outcome.judged[0].result["matches"]] == [1, 2]


def test_a_phones_picture_is_judged_and_compared_with(folders: tuple[Path, Path, Path]) -> None:
    images, works, _ = folders
    jpeg, preview = (encoded(scene(*size, seed=1), "JPEG", quality=95) for size in ((96, 128), (24, 32)))
    phone = mpo([(jpeg, 0x030000), (preview, 0x010001)])
    (works / "phone.jpg").write_bytes(phone)
    (images / "copy.png").write_bytes(encoded(scene(96, 128, seed=1)))
    (images / "same.jpg").write_bytes(phone)
    assert behind(run(folders)) == {"copy.png": ("fail", ["phone.jpg"]), "same.jpg": ("fail", ["phone.jpg"])}


def test_a_damaged_frame_makes_a_pass_inconclusive_and_an_audit_incomplete(folders: tuple[Path, Path, Path]) -> None:
    images, works, out = folders
    pages = encoded(scene(seed=1), "TIFF", save_all=True, append_images=[scene(seed=2)])
    # The directory of the second page lies beyond what is left.
    cut = pages[: len(pages) * 3 // 4]
    (images / "cut.tif").write_bytes(cut)
    (images / "plain.png").write_bytes(encoded(scene(seed=9)))
    outcome = run(folders)
    assert {image.file.name: image.verdict for image in outcome.judged} == {
        "cut.tif": "inconclusive",
        "plain.png": "pass",
    }
    assert outcome.judged[0].result["reasons"][0].startswith("a copy may be in what could not be looked at: ")
    assert outcome.summary["complete"]
    (works / "cut.tif").write_bytes(cut)
    outcome = run(folders)
    assert outcome.judged[0].verdict == "fail"
    assert not outcome.summary["complete"]
    [unread] = outcome.summary["references"]["unread"]
    assert unread["file"] == "cut.tif"
    assert "incomplete" in (out / "gallery.html").read_text()


def test_a_blank_work_is_refused_and_a_twin_is_no_reason_to_call_an_audit_incomplete(
    folders: tuple[Path, Path, Path],
) -> None:
    images, works, _ = folders
    (images / "scene.png").write_bytes(encoded(scene(seed=7)))
    (works / "twin.png").write_bytes((works / "plain.png").read_bytes())
    (works / "loop").symlink_to(works)
    assert run(folders).summary["complete"]
    (works / "blank.png").write_bytes(BLANK)
    summary = run(folders).summary
    assert not summary["complete"]
    [unread] = summary["references"]["unread"]
    assert unread["file"] == "blank.png"
    assert unread["reason"].startswith("shows one colour only")
    assert summary["references"]["compared"] == 1


def test_exit_status_3_says_that_a_work_was_not_compared(folders: tuple[Path, Path, Path]) -> None:
    images, works, out = folders
    (images / "scene.png").write_bytes(encoded(scene(seed=7)))
    (works / "blank.png").write_bytes(BLANK)
    command = (images, "--references", works, "--out", out, "--sample", "0")
    ended = twig(*command)
    assert ended.returncode == 3, ended.stderr
    assert "blank.png" in ended.stderr
    assert "The audit is incomplete" in ended.stderr
    assert twig(*command, "--allow-unread").returncode == 0
    (images / "copy.png").write_bytes((works / "plain.png").read_bytes())
    ended = twig(*command)
    assert ended.returncode == 1
    assert "The audit is incomplete" in ended.stderr


def test_a_strip_that_is_too_narrow_once_reduced_is_told_its_own_size(folders: tuple[Path, Path, Path]) -> None:
    images, *_ = folders
    (images / "strip.png").write_bytes(encoded(scene(seed=1).resize((5000, 120))))
    [strip] = run(folders).judged
    assert strip.verdict == "inconclusive"
    assert "5000 x 120 px" in strip.result["reasons"][0]


def test_what_another_version_left_is_discarded_and_everything_compared_again(
    folders: tuple[Path, Path, Path],
) -> None:
    images, _, out = folders
    (images / "copy.png").write_bytes(encoded(scene(seed=100)))
    before = run(folders).summary
    with closing(sqlite3.connect(out / "work" / "progress.db")) as database:
        database.execute(f"PRAGMA user_version = {VERSION - 1}")
    emptied = WorkFolder(out / "work")
    assert emptied.rows() == 0
    assert emptied.references() == {}
    emptied.close()
    assert run(folders).summary == before


def result(verdict: str, ssim: float | None) -> dict[str, object]:
    thresholds = Policy().model_dump(mode="json")
    scores = {} if ssim is None else {"ssim": ssim, "contrast": ssim}
    return {"verdict": verdict, "reasons": ["why"], "nearest": None, "scores": scores, "matches": []} | {
        "thresholds": thresholds
    }


def test_a_ground_that_shows_nothing_does_not_count_beside_one_that_does_but_a_frame_does() -> None:
    label, together = worst_view({"on white": result("inconclusive", None), "on black": result("pass", 0.1)})
    assert (label, together["verdict"]) == ("on black", "pass")
    label, together = worst_view({"frame 1": result("pass", 0.1), "frame 2": result("inconclusive", None)})
    assert (label, together["verdict"]) == ("frame 2", "inconclusive")
    label, together = worst_view({"frame 1": result("review", 0.9), "frame 2": result("fail", 0.2)})
    assert (label, together["verdict"]) == ("frame 2", "fail")
    assert together["scores"] == {"ssim": 0.9, "contrast": 0.2}
