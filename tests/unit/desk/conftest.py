"""A desk over a small catalog whose pictures were really audited."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.unit.reports.filler import DEMO, Filler, copied, drawing
from twig_assets.campaign import load_campaign
from twig_assets.catalog.database import Catalog, open_catalog
from twig_assets.catalog.store import ArtifactStore
from twig_assets.desk import desk_app, read_settings


@dataclass
class Opened:
    """A desk, and what is behind it.

    Attributes:
        client: A browser without scripts.
        catalog: The catalog.
        store: Its pictures.
        root: The folder of the campaigns.
        tokens: Who is there -> the token of their forms.
    """

    client: TestClient
    catalog: Catalog
    store: ArtifactStore
    root: Path
    tokens: dict[str, str] = field(default_factory=dict)

    def enter(self, name: str = "Ada", password: str = "") -> None:
        """Say who is there."""
        answer = self.client.post("/door", data={"name": name, "password": password}, follow_redirects=False)
        assert answer.status_code == 303, answer.text

    @property
    def token(self) -> str:
        """The token that forms carry."""
        return str(self.client.get("/api/me").json()["token"])

    def items(self, **filters: str) -> list[dict[str, str]]:
        """The queue."""
        listed: list[dict[str, str]] = self.client.get("/api/queue", params=filters).json()["items"]
        return listed

    def decide(self, item: dict[str, str], decision: str, why: str = "seen", seen: int = 0) -> int:
        """Send the form of an image's page; returns the status of the answer."""
        form = {"sha256": item["image_sha256"], "seen": seen, "decision": decision, "why": why, "token": self.token}
        return self.client.post(f"/decide/{item['id']}", data=form, follow_redirects=False).status_code


def fill(filler: Filler) -> None:
    """A copy whose attempts are spent, an image that is not as asked, one of which nobody can tell, one released."""
    copies = filler.prompt("salt clock at <b>low</b> tide & more")
    first = filler.image(copies, copied("clock"))
    filler.audit(first)
    for attempt in range(3):
        filler.audit(filler.image(copies, copied("clock", 9, seed=attempt)[:, ::-1], "regenerated", attempt, first))
    for text, adherence in (("an owl", "not_as_asked"), ("a cow", "cannot_tell"), ("a fish", "as_asked")):
        prompt = filler.prompt(text)
        first = filler.image(prompt, drawing("owl", seed=prompt.id)[0])
        second = filler.image(prompt, drawing("owl", seed=9 * prompt.id)[0], "regenerated", 0, first)
        audit = filler.audit(second, shows=adherence)
        if adherence == "as_asked":
            filler.release(second, audit)


def copy_campaign(folder: Path) -> None:
    """The demo, of which every prompt is drawn once."""
    settings = Path(shutil.copytree(DEMO, folder)) / "campaign.yaml"
    settings.write_text(settings.read_text("utf-8").replace("max_attempts: 3", "max_attempts: 1"), "utf-8")


def fill_folder(folder: Path) -> Path:
    """A folder with a campaign, a catalog and its pictures."""
    copy_campaign(folder / "campaigns" / "demo")
    catalog, store = behind(folder)
    with catalog.session() as session:
        fill(Filler(session, store, load_campaign("demo", folder / "campaigns")))
    catalog.close()
    return folder


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a folder, made once; every desk works on a copy."""
    return fill_folder(tmp_path_factory.mktemp("filled"))


@pytest.fixture
def desk(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """A desk without accounts, at which nobody is yet."""
    yield from _opened(filled, tmp_path / "desk", monkeypatch)


@pytest.fixture
def locked(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Opened]]:
    """Opens a desk with the accounts that a text lists."""
    opened: list[Iterator[Opened]] = []

    def open_with(accounts: str) -> Opened:
        (tmp_path / "accounts").write_text(accounts, encoding="utf-8")
        monkeypatch.setenv("TWIG_DESK_USERS", str(tmp_path / "accounts"))
        opened.append(_opened(filled, tmp_path / f"desk{len(opened)}", monkeypatch))
        return next(opened[-1])

    yield open_with
    for one in opened:
        next(one, None)


def _opened(filled: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    monkeypatch.setenv("TWIG_HOME", str(folder / "home"))
    shutil.copytree(filled, folder)
    catalog, store = behind(folder)
    app = desk_app(catalog, store, folder / "campaigns", read_settings())
    with TestClient(app, base_url="http://127.0.0.1:3100") as client:
        yield Opened(client, catalog, store, folder / "campaigns")
    catalog.close()


def behind(folder: Path) -> tuple[Catalog, ArtifactStore]:
    """The catalog and the store of a desk's folder."""
    return open_catalog(f"sqlite:///{folder}/catalog.db"), ArtifactStore(str(folder / "artifacts"))
