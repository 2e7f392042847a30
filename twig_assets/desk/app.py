"""The desk as one application: pages for people, `/api` for programs, both behind the same guard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import Image
from twig_assets.catalog.store import ArtifactError, ArtifactStore
from twig_assets.desk.guard import Guard
from twig_assets.desk.sessions import Door
from twig_assets.desk.settings import DeskSettings
from twig_assets.desk.snapshot import Snapshot
from twig_assets.similarity.detectors.pdq import pdq

_HERE = Path(__file__).parent


@dataclass
class Desk:
    """What requests work with.

    Attributes:
        catalog: The catalog.
        store: Holds the pictures.
        root: The folder that holds the campaigns.
        door: Lets people in.
        snapshot: The items of all campaigns.
        sensors_run: Says whether a Dagster daemon looks for work; None where nobody can tell.
    """

    catalog: Catalog
    store: ArtifactStore
    root: Path
    door: Door
    sensors_run: Callable[[], bool | None] = lambda: None
    snapshot: Snapshot = field(init=False)

    _codes: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.snapshot = Snapshot(self.catalog, self.root)

    def fingerprints(self, images: Sequence[Image]) -> np.ndarray:
        """PDQ hashes of images, uint8 (n, 32); zeros for one whose file is gone. Each is computed once."""
        for image in images:
            if image.sha256 not in self._codes:
                try:
                    self._codes[image.sha256] = np.asarray(pdq(self.store.read_image(image.sha256)))
                except ArtifactError:
                    self._codes[image.sha256] = np.zeros(32, np.uint8)
        return np.array([self._codes[image.sha256] for image in images], np.uint8).reshape(len(images), 32)


def desk_app(
    catalog: Catalog,
    store: ArtifactStore,
    root: Path,
    settings: DeskSettings,
    sensors_run: Callable[[], bool | None] = lambda: None,
) -> FastAPI:
    """Put the desk together.

    Args:
        catalog: An open catalog.
        store: Holds the pictures.
        root: The folder that holds the campaigns.
        settings: Who may use it.
        sensors_run: See `Desk`.
    """
    from twig_assets.desk import api, pages, uploads

    app = FastAPI(title="twig-assets desk", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.state.comparing = uploads.Comparing()
    app.state.desk = Desk(catalog, store, root, Door(settings), sensors_run)
    app.add_middleware(Guard, hosts=settings.hosts)
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    pages.install(app)
    app.include_router(api.router)
    return app
