"""Folders of images and of protected works."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twig_assets.model_zoo import planted


@pytest.fixture(scope="session")
def works() -> list[np.ndarray]:
    """Four planted works at 40 px: uint8 (40, 40, 3) each."""
    small = (Image.fromarray(planted.picture(work)).resize((40, 40)) for work in planted.WORKS[:4])
    return [np.asarray(one) for one in small]


@pytest.fixture
def references(tmp_path: Path, works: list[np.ndarray]) -> Path:
    """A corpus of three works, one of them at another size."""
    folder = tmp_path / "references"
    folder.mkdir()
    for name, work in zip("abc", works, strict=False):
        size = (60, 50) if name == "c" else (40, 40)
        Image.fromarray(work).resize(size).save(folder / f"{name}.png")
    (folder / "references.csv").write_text("file,title,rights_holder,licence\na.png,Alpha,Ada,CC0\n")
    return folder


@pytest.fixture
def images(tmp_path: Path, works: list[np.ndarray]) -> Path:
    """A copy, a mirrored copy, and a work that is not in the corpus."""
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(works[0]).save(folder / "copy.png")
    Image.fromarray(works[1][:, ::-1]).save(folder / "mirrored.png")
    Image.fromarray(works[3]).save(folder / "other.png")
    return folder
