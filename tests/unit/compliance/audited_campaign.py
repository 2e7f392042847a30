"""A campaign with works and images, to be audited."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from PIL import Image as PillowImage
from sqlalchemy import select, true

from tests.unit.catalog.filled import Filled, digest
from twig_assets.campaign import Campaign
from twig_assets.catalog.database import Catalog, open_catalog
from twig_assets.catalog.models import Audit, CorpusVersion, Reference
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.auditing import Audited, audit_images
from twig_assets.engines import Engine
from twig_assets.engines.in_process import InProcess
from twig_assets.similarity import Policy, read_references
from twig_assets.similarity.corpus.views import first_views


@dataclass
class Setting:
    """A campaign with works and images of two sizes."""

    campaign: Campaign
    catalog: Catalog
    store: ArtifactStore
    reports: list[tuple[int, int]]

    def audit(self, engine: Engine | None = None) -> Audited:
        engine = engine or InProcess()
        return audit_images(
            self.campaign, self.catalog, self.store, true(), "run", lambda *done: self.reports.append(done), engine
        )

    def add_work(self, name: str, pixels: np.ndarray) -> None:
        PillowImage.fromarray(pixels).save(self.campaign.references_folder / f"{name}.png")
        self.keep_works()

    def keep_works(self) -> None:
        works, _ = read_references(self.campaign.references_folder)
        with self.catalog.session() as session:
            known = set(session.scalars(select(Reference.sha256)))
            works = first_views(works)
            hashes = sorted(work.sha256 for work in works)
            for work in works:
                if work.sha256 not in known:
                    session.add(
                        Reference(
                            campaign="demo",
                            sha256=work.sha256,
                            title=work.title,
                            rights_holder="",
                            licence="",
                            file=work.path.name,
                        )
                    )
            session.add(CorpusVersion(campaign="demo", sha256=digest(str(len(works))), members=hashes))

    def set_policy(self, policy: Policy) -> None:
        self.campaign.policy_file.write_text(yaml.safe_dump(policy.model_dump(mode="json")))

    def audits(self) -> dict[int, Audit]:
        with self.catalog.session() as session:
            return {row.image_id: row for row in session.scalars(select(Audit).order_by(Audit.id))}


def noise(seed: int, side: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


@contextmanager
def made_setting(folder: Path) -> Iterator[Setting]:
    """A campaign in a folder."""
    (folder / "demo" / "references").mkdir(parents=True)
    catalog, store = open_catalog(f"sqlite:///{folder}/catalog.db"), ArtifactStore(str(folder / "artifacts"))
    made = Setting(Campaign(name="demo", folder=folder / "demo", title="Demo"), catalog, store, [])
    made.set_policy(Policy())
    made.add_work("a", noise(0))
    made.add_work("b", noise(1))
    with catalog.session() as session:
        filled = Filled(session)
        for attempt, pixels in enumerate([noise(0), noise(5, 64), noise(6)]):
            filled.image(attempt, sha256=store.put_image(pixels))
    yield made
    catalog.close()
