"""What a wheel installs: the package with all its files, and no top-level `resources` or `sensors`."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytest.importorskip("hatchling", reason="the extra `test` brings hatchling")


def built(target: str, source: Path, folder: Path) -> Path:
    """A wheel or an sdist of a source tree."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=300)
    [file] = folder.glob("twig_assets-*")
    return file


def contents(wheel: Path) -> set[str]:
    """The files that a wheel installs, without those that describe it."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert len(set(names)) == len(names)
    return {name for name in names if ".dist-info/" not in name}


def in_clone() -> set[str]:
    """The files that git has of the package, where a wheel puts them."""
    listed = ["git", "ls-files", "twig_assets", "resources", "sensors"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    beside = ("resources/", "sensors/")
    names = {f"twig_assets/{name}" if name.startswith(beside) else name for name in done.stdout.splitlines()}
    return {name for name in names if (ROOT / name).exists()} - {"twig_assets/resources", "twig_assets/sensors"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="what has to be in it is asked of git")
def test_a_wheel_has_every_file_of_the_package_with_resources_and_sensors_inside(wheel: Path) -> None:
    wanted = in_clone()
    assert {"twig_assets/resources/models.py", "twig_assets/sensors/jobs.py"} < wanted
    assert wanted - contents(wheel) == set()


def test_a_wheel_installs_nothing_beside_the_package(wheel: Path) -> None:
    assert {name.partition("/")[0] for name in contents(wheel)} == {"twig_assets"}


def test_a_wheel_built_from_an_sdist_is_the_same(wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(built("sdist", ROOT, tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path, filter="data")
    [source] = (path.parent for path in tmp_path.glob("twig_assets-*/pyproject.toml"))
    assert contents(built("wheel", source, tmp_path / "wheel")) == contents(wheel)


def test_an_installed_wheel_is_not_shadowed_by_modules_of_the_user(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    for name in ("resources", "sensors"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('a module of the user')")
    code = "import twig_assets.definitions, twig_assets.resources as r; print(r.__file__)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        env={"PATH": "", "PYTHONPATH": str(tmp_path), "TWIG_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == tmp_path / "twig_assets" / "resources" / "__init__.py"
