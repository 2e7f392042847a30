"""The desk as one application: pages for people, `/api` for programs, both behind the same guard."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from twig_assets.campaign import campaign_names
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.store import ArtifactStore
from twig_assets.desk.guard import Guard, SmallBodies
from twig_assets.desk.named import NamedByCampaign
from twig_assets.desk.sessions import Door
from twig_assets.desk.settings import DeskSettings
from twig_assets.desk.snapshot import Snapshot
from twig_assets.provenance.fingerprints import ReleaseIndex, releases_folder
from twig_assets.provenance.readers import readers
from twig_assets.provenance.whence import Whence
from twig_assets.status import DagsterStatus

_HERE = Path(__file__).parent


@dataclass
class Desk:
    """What requests work with.

    Attributes:
        catalog: The catalog.
        store: Holds the pictures.
        root: The folder that holds the campaigns.
        door: Lets people in.
        sensors_run: Says whether a Dagster daemon looks for work; None where nobody can tell.
        other_servers: Names and addresses of the other servers on this machine that answer now.
        dagster: Says what Dagster knows, for the metrics; None where there is nothing to ask.
        snapshot: The items of all campaigns.
        named: What prompts named that is protected.
        metrics: When they were made last, by a clock that only goes forward, and as they were sent.
    """

    catalog: Catalog
    store: ArtifactStore
    root: Path
    door: Door
    sensors_run: Callable[[], bool | None] = lambda: None
    other_servers: Callable[[], list[tuple[str, str]]] = list
    dagster: Callable[[], DagsterStatus | None] = lambda: None
    snapshot: Snapshot = field(init=False)
    named: NamedByCampaign = field(default_factory=NamedByCampaign)
    metrics: tuple[float, bytes] = (0.0, b"")

    def __post_init__(self) -> None:
        self.snapshot = Snapshot(self.catalog, self.root)

    @cached_property
    def whence(self) -> Whence:
        """What says whose a file is."""
        watermarks = readers([self.root / name / "policy.yaml" for name in campaign_names(self.root)])
        return Whence(self.catalog, self.store, self.root, watermarks, ReleaseIndex(releases_folder()))


def desk_app(
    catalog: Catalog,
    store: ArtifactStore,
    root: Path,
    settings: DeskSettings,
    sensors_run: Callable[[], bool | None] = lambda: None,
    other_servers: Callable[[], list[tuple[str, str]]] = list,
    dagster: Callable[[], DagsterStatus | None] = lambda: None,
) -> FastAPI:
    """Put the desk together.

    Args:
        catalog: An open catalog.
        store: Holds the pictures.
        root: The folder that holds the campaigns.
        settings: Who may use it.
        sensors_run: See `Desk`.
        other_servers: See `Desk`.
        dagster: See `Desk`.
    """
    from twig_assets.desk import api, pages, uploads, watching

    app = FastAPI(title="twig-assets desk", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.state.comparing = uploads.Comparing()
    app.state.desk = Desk(catalog, store, root, Door(settings), sensors_run, other_servers, dagster)
    # The last one is asked first.
    app.add_middleware(SmallBodies, most=uploads.MOST_UPLOADED + (1 << 20))
    app.add_middleware(Guard, hosts=settings.hosts)
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    pages.install(app)
    app.include_router(api.router)
    app.include_router(watching.router)
    return app
