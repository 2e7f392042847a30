"""Where the photographs of the benchmark `detectors` come from: packages of Debian, and scikit-image."""

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from twig_assets.bench.audit import qt_resources

SIDE = 320
PACKAGES = (
    "gcompris-qt-data",
    "gnome-backgrounds",
    "lomiri-wallpapers-16.04",
    "lomiri-wallpapers-20.04",
    "mate-backgrounds",
    "plasma-workspace-wallpapers",
    "ukui-wallpapers",
)
"""Free packages of Debian; docs/benchmarks/detectors.md has their licences."""

FOLDERS = ("backgrounds", "wallpapers", "gcompris-qt")
"""Where they put pictures, below `usr/share`."""

RESOURCES = (
    "erase",
    "explore_farm_animals",
    "explore_monuments",
    "explore_world_animals",
    "explore_world_music",
)
"""Resource files of gcompris-qt-data that hold photographs, of one subject each."""

SCIKIT_IMAGE = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "microaneurysms.png",
    "moon.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)
"""Photographs in scikit-image's wheel."""

_FETCH_WITHIN = 900


def cache() -> Path:
    """Where fetched packages are unpacked."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twig-assets" / "photographs"


def photographs(roots: tuple[Path, ...]) -> list[tuple[str, np.ndarray]]:
    """Name -> photograph, uint8 (h, w, 3) with its long side at SIDE, in an order that does not depend on the machine.

    Args:
        roots: Folders like `/`, that packages were unpacked to.
    """
    import skimage

    found: dict[str, bytes] = {}
    for root in roots:
        found |= {name: content for folder in FOLDERS for name, content in _in_folder(root / "usr/share" / folder)}
    shipped = Path(skimage.__file__).parent / "data"
    found |= {name: (shipped / name).read_bytes() for name in SCIKIT_IMAGE if (shipped / name).is_file()}
    return [(name, _reduced(found[name])) for name in sorted(found)]


def fetch(into: Path) -> None:
    """Download and unpack the packages, without installing them; needs apt-get and dpkg-deb, and no rights.

    Raises:
        OSError: If the tools are missing, or a download fails.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise OSError("apt-get or dpkg-deb is missing")
    downloads = into / "packages"
    downloads.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        print(f"fetching {package}", file=sys.stderr)
        try:
            subprocess.run(
                ["apt-get", "download", package], cwd=downloads, check=True, capture_output=True, timeout=_FETCH_WITHIN
            )
            [file] = downloads.glob(f"{package}_*.deb")
            subprocess.run(["dpkg-deb", "-x", str(file), str(into)], check=True, capture_output=True)
        except (subprocess.SubprocessError, ValueError) as error:
            raise OSError(f"{package} could not be fetched ({error}); try apt-get update") from error
        file.unlink()


def _in_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    for name in RESOURCES:
        for path in sorted(folder.rglob(f"{name}.rcc")):
            yield from ((f"{name}-{i:03d}", content) for i, content in enumerate(qt_resources.pictures(path)))
    # Of wallpapers the JPEG files are photographs, the others are drawn. One comes in several shapes.
    for path in sorted(folder.rglob("*.jpg")):
        copy = path.is_symlink() or path.name == "screenshot.jpg" or re.search(r"_\d+x\d+$", path.stem)
        if not copy and path.is_file():
            name = path.parents[2].name if "contents" in path.parts else path.stem
            yield name, path.read_bytes()


def _reduced(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as opened:
        opened.draft("RGB", (2 * SIDE, 2 * SIDE))
        image = opened.convert("RGB")
    scale = SIDE / max(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))
