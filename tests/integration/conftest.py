"""A campaign of three prompts, run for real: once per test session from nothing, and on copies of that afterwards."""

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from sqlalchemy import Connection, create_engine, make_url, select, text
from sqlalchemy.orm import Session

from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import Audit, Image, Release
from twig_assets.model_zoo import planted

ROOT = Path(__file__).parents[2]
CAMPAIGN = {
    "title": "Tiny",
    "max_attempts": 2,
    "batch_size": 3,
    "generation": {"steps": 2},
    "ablation": {
        "method": "closed_form",
        "evaluation": {
            "samples": 1,
            "surrounding_samples": 1,
            "variants": 0,
            "unrelated": [],
            "adversarial_samples": 0,
        },
    },
}
PROMPTS = ["a red apple", "an owl, fluent style", "a pouting cat"]
CONCEPTS = [{"name": "pouting-cat", "target": "pouting cat", "anchor": "cat face", "kind": "object"}]
# The embedded generator may not know the prompts well; blank pictures are to be judged like all others.
POLICY = {"ssim_threshold": 0.9, "masked_ssim_threshold": 0.99, "review_margin": 0.0, "min_contrast": 0.0}
ALL_FAIL = {**POLICY, "ssim_threshold": 0.000001, "masked_ssim_threshold": 0.000001}


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    text: str


@dataclass(frozen=True)
class Place:
    """A campaign `tiny` and the state folder of its runs.

    Attributes:
        root: The folder of the campaign's folder.
        home: The state folder.
        server_url: Of the PostgreSQL database that holds the catalog and Dagster's instance; empty when both are SQLite
            files in the state folder.
    """

    root: Path
    home: Path
    server_url: str = ""

    @property
    def catalog_url(self) -> str:
        return self.server_url or f"sqlite:///{self.home / 'catalog.db'}"

    @property
    def folder(self) -> Path:
        return self.root / "tiny"

    def write(self, file: str, content: Any) -> None:
        """Write one of the campaign's files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / file).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def environment(self) -> dict[str, str]:
        """What a process needs to work in this place."""
        dagster_home = str(self.home) if self.server_url else ""
        return {
            "TWIG_HOME": str(self.home),
            "TWIG_CATALOG_URL": self.server_url,
            "DAGSTER_HOME": dagster_home,
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "120",
        }

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Let this process work in this place until the `with` block ends."""
        with pytest.MonkeyPatch.context() as patch:
            for key, value in self.environment().items():
                patch.setenv(key, value)
            patch.chdir(ROOT)
            yield

    def twig(self, *arguments: str) -> Ended:
        """The command `twig` in this process, which has the models open already."""
        from twig_assets import cli

        out = io.StringIO()
        with self.entered(), pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(out):
            patch.setattr(sys, "argv", ["twig", *arguments])
            with pytest.raises(SystemExit) as ended:
                cli.main()
        return Ended(int(ended.value.code or 0), out.getvalue())

    def run(self) -> Ended:
        return self.twig("run", "--campaign", "tiny", "--root", str(self.root))

    def process(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """The command `twig` as a process of its own, which Ctrl-C reaches even where the tests' shell ignores it."""
        return subprocess.Popen(
            [sys.executable, "-m", "twig_assets.cli", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment(), **options.pop("environment", {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=_heed_interrupts,
            **options,
        )

    @contextmanager
    def catalog(self) -> Iterator[Session]:
        catalog = open_catalog(self.catalog_url)
        with catalog.session() as session:
            yield session
        catalog.close()

    @contextmanager
    def owner(self, *tables: str) -> Iterator[Connection]:
        """A connection of the database's owner, who has taken off these tables what keeps them append-only."""
        engine = create_engine(self.catalog_url)
        with engine.begin() as connection:
            for table in tables:
                _allow_changes(connection, table)
            yield connection
        engine.dispose()

    def images(self) -> list[tuple[int, str, int, int, str]]:
        """Prompt id, stage, attempt, seed and hash of every image, sorted."""
        with self.catalog() as session:
            rows = session.scalars(select(Image))
            return sorted((i.prompt_id, i.stage, i.attempt, i.seed, i.sha256) for i in rows)

    def verdicts(self) -> list[tuple[str, str, list[str], dict[str, Any]]]:
        """Image hash, verdict, reasons and scores of every audit, sorted."""
        with self.catalog() as session:
            rows = [(a.image.sha256, a.verdict, a.reasons, a.scores) for a in session.scalars(select(Audit))]
        return sorted(rows, key=lambda row: row[:2])

    def released(self) -> dict[int, str]:
        """Prompt id -> hash of its published image."""
        with self.catalog() as session:
            rows = session.scalars(select(Release).where(Release.withdrawn_at.is_(None)))
            return {release.prompt_id: release.image.sha256 for release in rows}

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        from twig_assets.orchestration.dagster_home import prepare_dagster_home

        with self.entered():
            prepare_dagster_home()
            with dg.DagsterInstance.get() as instance:
                yield instance


def _allow_changes(connection: Connection, table: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        return
    named = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table"
    for name in connection.scalars(text(named), {"table": table}).all():
        connection.exec_driver_sql(f"DROP TRIGGER {name}")


def _heed_interrupts() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.default_int_handler)


def idle_assets(text: str) -> set[str]:
    """The assets that said that they had nothing to do."""
    return set(re.findall(r"^  (\w+): no work;", text, re.MULTILINE))


@dataclass(frozen=True)
class Places:
    """Makes places, all on one kind of storage.

    Attributes:
        empty_mlflow: MLflow's database without a run in it.
        new_database: Makes a database on a PostgreSQL server, perhaps as a copy; None to use SQLite.
    """

    empty_mlflow: Path
    new_database: Callable[[str], str] | None = None

    def new(self, folder: Path) -> Place:
        """The campaign, in a place where nothing has run yet."""
        place = self._place(folder)
        shutil.copy(self.empty_mlflow, place.home / "mlflow.db")
        place.write("campaign.yaml", CAMPAIGN)
        place.write("prompts.yaml", PROMPTS)
        place.write("concepts.yaml", CONCEPTS)
        place.write("policy.yaml", POLICY)
        references = place.folder / "references"
        references.mkdir()
        for work in planted.WORKS[:3]:
            shutil.copy(ROOT / "campaigns" / "demo" / "references" / f"{work.slug}.png", references)
        return place

    def copy(self, place: Place, folder: Path) -> Place:
        """A place with all that another has."""
        shutil.copytree(place.root, folder / "campaigns")
        shutil.copytree(place.home, folder / "home")
        return self._place(folder, like=place.server_url)

    def _place(self, folder: Path, like: str = "") -> Place:
        place = Place(folder / "campaigns", folder / "home", self.new_database(like) if self.new_database else "")
        place.home.mkdir(parents=True, exist_ok=True)
        if place.server_url:
            # Dagster is told of the server as the README says: the project's settings, with another storage.
            settings = yaml.safe_load((ROOT / "dagster.yaml").read_text().replace(".twig/", f"{place.home}/"))
            url = make_url(place.server_url).set(drivername="postgresql+psycopg2")
            settings["storage"] = {"postgres": {"postgres_url": url.render_as_string(hide_password=False)}}
            (place.home / "dagster.yaml").write_text(yaml.safe_dump(settings))
        return place


@pytest.fixture(scope="session")
def places(request: pytest.FixtureRequest, empty_mlflow: Path) -> Places:
    """Makes places on the storage that `--storage` names."""
    if request.config.getoption("--storage") == "postgresql":
        return Places(empty_mlflow, request.getfixturevalue("postgres"))
    return Places(empty_mlflow)


@pytest.fixture
def place(tmp_path: Path, places: Places) -> Place:
    return places.new(tmp_path)


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory, places: Places) -> tuple[Place, Ended]:
    """A place where the campaign was run from nothing, and how that ended. Not to be changed: see `finished`."""
    place = places.new(tmp_path_factory.mktemp("first"))
    return place, place.run()


@pytest.fixture
def finished(first_run: tuple[Place, Ended], tmp_path: Path, places: Places) -> Place:
    """A copy of the place where the campaign was run, to change and run again."""
    return places.copy(first_run[0], tmp_path)
