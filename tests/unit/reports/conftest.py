"""A small catalog whose pictures were really audited."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.reports.filler import DEMO, Filler
from twig_assets.campaign import Campaign
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.store import ArtifactStore


@pytest.fixture
def filler(tmp_path: Path) -> Iterator[Filler]:
    """A filler for the demo campaign over an empty catalog."""
    catalog = open_catalog(f"sqlite:///{tmp_path}/catalog.db")
    folder = Path(shutil.copytree(DEMO, tmp_path / "demo"))
    campaign = Campaign(name="demo", folder=folder, title="Stickers & <things>")
    with catalog.session() as session:
        yield Filler(session, ArtifactStore(str(tmp_path / "artifacts")), campaign)
    catalog.close()
