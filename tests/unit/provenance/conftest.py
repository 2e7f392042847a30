from pathlib import Path

import pytest

from tests.unit.provenance.signing_kit import Chain
from twig_assets.catalog.database import open_catalog


@pytest.fixture(scope="session")
def chain() -> Chain:
    return Chain()


@pytest.fixture(scope="session")
def empty_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog's file; making its tables takes longer than a test."""
    path = tmp_path_factory.mktemp("empty") / "catalog.db"
    open_catalog(f"sqlite:///{path}").close()
    return path
