"""Pictures to compare."""

from pathlib import Path

import numpy as np
import pytest

from twig_assets.model_zoo import planted
from twig_assets.similarity import ReferenceImage


@pytest.fixture(scope="session")
def works() -> np.ndarray:
    """The eight planted works: uint8 (8, 64, 64, 3)."""
    return np.stack([planted.picture(work) for work in planted.WORKS])


@pytest.fixture(scope="session")
def corpus(works: np.ndarray) -> list[ReferenceImage]:
    """The eight planted works as references."""
    return [
        ReferenceImage(Path(f"{work.slug}.png"), work.title, "nobody", "none", f"{i:064d}", picture)
        for i, (work, picture) in enumerate(zip(planted.WORKS, works, strict=True))
    ]
