"""The command `twig audit`, as a process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import sys
from twig_assets.cli import main
try:
    main()
finally:
    loaded = {name.partition('.')[0] for name in sys.modules}
    print("loaded:", sorted(loaded & {"dagster", "torch", "mlflow", "diffusers", "sqlalchemy"}), file=sys.stderr)
"""


def twig(*arguments: str | Path, before: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, which runs `before` first."""
    command = [sys.executable, "-c", before + PROBE, "audit", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "120", "TERM": "dumb"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_exit_status_1_says_that_an_image_fails_and_nothing_of_dagster_is_loaded(
    images: Path, references: Path, tmp_path: Path
) -> None:
    (references / "zero.png").write_bytes(b"")
    (tmp_path / "policy.yaml").write_text("ssim_threshold: 0.7\n")
    ended = twig(images, "--references", references, "--policy", tmp_path / "policy.yaml", "--out", tmp_path / "out")
    assert ended.returncode == 1, ended.stderr
    assert "loaded: []" in ended.stderr
    assert "not compared with zero.png: is empty" in ended.stderr
    assert "comparing: 100%" in ended.stderr
    assert (tmp_path / "out" / "gallery.html").is_file()


@pytest.mark.parametrize(("strict", "status"), [((), 0), (("--strict",), 1)])
def test_exit_status_0_when_none_fails_unless_strict(
    images: Path, references: Path, tmp_path: Path, strict: tuple[str, ...], status: int
) -> None:
    for name in ("copy.png", "mirrored.png"):
        (images / name).unlink()
    (images / "text.png").write_text("no picture")
    ended = twig(images, "--references", references, "--out", tmp_path / "out", "--sample", "0", *strict)
    assert ended.returncode == status, ended.stderr


def test_exit_status_2_when_it_cannot_be_done(images: Path, references: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("ssim_treshold: 0.7\n")
    ended = twig(images, "--references", references, "--policy", tmp_path / "policy.yaml", "--out", tmp_path / "out")
    assert ended.returncode == 2
    assert "policy.yaml:1: ssim_treshold: unknown field" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()
    assert twig(images, "--out", tmp_path / "out").returncode == 2


def test_files_that_are_too_large_to_read_are_said_and_never_an_exit_status_of_1(
    images: Path, references: Path, tmp_path: Path
) -> None:
    for name in ("copy.png", "mirrored.png"):
        (images / name).unlink()
    for folder in (images, references):
        with (folder / "vast.png").open("wb") as file:
            file.truncate(6 << 30)
    command = (images, "--references", references, "--out", tmp_path / "out", "--sample", "0")
    ended = twig(*command)
    assert ended.returncode == 3, ended.stderr
    assert "not compared with vast.png: has 6,442,450,944 bytes" in ended.stderr
    assert "Traceback" not in ended.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [entry["file"] for entry in summary["inconclusive"]] == ["vast.png"]


@pytest.mark.parametrize("error", ["MemoryError", "OSError", "ZeroDivisionError"])
def test_what_ends_an_audit_half_way_is_not_taken_for_an_image_that_fails(
    images: Path, references: Path, tmp_path: Path, error: str
) -> None:
    broken = f"from twig_assets.folder_audit import run\ndef broken(*a, **k): raise {error}()\nrun.judge = broken\n"
    ended = twig(images, "--references", references, "--out", tmp_path / "out", before=broken)
    assert ended.returncode == 2, ended.stderr
    assert ("Traceback" in ended.stderr) == (error == "ZeroDivisionError"), ended.stderr


@pytest.mark.parametrize("which", ["images", "references"])
def test_a_folder_that_vanishes_during_an_audit_is_said(
    images: Path, references: Path, tmp_path: Path, which: str
) -> None:
    folder = images if which == "images" else references
    vanish = (
        "import shutil\nfrom twig_assets.folder_audit import verdicts\nlook = verdicts._look\n"
        f"def gone(*a): shutil.rmtree({str(folder)!r}, ignore_errors=True); return look(*a)\nverdicts._look = gone\n"
    )
    ended = twig(images, "--references", references, "--out", tmp_path / "out", "--sample", "0", before=vanish)
    assert ended.returncode == (0 if which == "images" else 2), ended.stderr
    assert "Traceback" not in ended.stderr
    if which == "references":
        assert "check that it is still there" in ended.stderr
