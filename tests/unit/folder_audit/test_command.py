"""The command `twig audit`, as a process."""

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


def twig(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROBE, "audit", *map(str, arguments)]
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
