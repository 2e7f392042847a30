"""A campaign with one image released, one held back, one rejected and one withdrawn."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.reports.filler import DEMO, Filler, copied, drawing
from twig_assets.campaign import Campaign
from twig_assets.catalog.database import Catalog, open_catalog
from twig_assets.catalog.models import Release, Review, utc_now
from twig_assets.catalog.store import ArtifactStore
from twig_assets.export import Exported, write_export


@dataclass
class Releases:
    """A campaign's catalog and store.

    Attributes:
        images: Hashes of the images: `released`, `held`, `rejected` and `withdrawn`.
    """

    campaign: Campaign
    catalog: Catalog
    store: ArtifactStore
    folder: Path
    images: dict[str, str]

    def export(self, name: str = "out", zipped: bool = False) -> Exported:
        return write_export(self.campaign, self.catalog, self.store, self.folder / name, zipped=zipped)

    def withdraw(self) -> None:
        """Take back what is published, as a rerun that fails would."""
        with self.catalog.session() as session:
            for release in session.query(Release).filter_by(withdrawn_at=None):
                release.withdrawn_at, release.reason = utc_now(), "=its image is now: fail"


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Releases]:
    monkeypatch.setenv("TWIG_HOME", str(tmp_path / "home"))
    catalog = open_catalog(f"sqlite:///{tmp_path}/catalog.db")
    store = ArtifactStore(str(tmp_path / "artifacts"))
    campaign = Campaign(name="demo", folder=DEMO, title="Stickers")
    images = {}
    with catalog.session() as session:
        filler = Filler(session, store, campaign)
        image = filler.image(filler.prompt('=HYPERLINK("x") owl'), drawing("owl")[0], "regenerated")
        filler.release(image, filler.audit(image))
        images["released"] = image.sha256
        image = filler.image(filler.prompt("salt clock at low tide"), copied("clock"), "regenerated", 2)
        filler.audit(image)
        images["held"] = image.sha256
        image = filler.image(filler.prompt("a fox"), drawing("fox")[0], "regenerated")
        audit = filler.audit(image)
        filler.release(image, audit)
        session.add(Review(audit_id=audit.id, decision="reject", who="Ada", why="in bad taste"))
        images["rejected"] = image.sha256
        image = filler.image(filler.prompt("an apple"), drawing("owl", seed=5)[0], "regenerated")
        filler.release(image, filler.audit(image, shows="not_as_asked")).withdrawn_at = utc_now()
        images["withdrawn"] = image.sha256
    yield Releases(campaign, catalog, store, tmp_path, images)
    catalog.close()
