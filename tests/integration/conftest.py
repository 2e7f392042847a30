"""A campaign of three prompts, run for real: once per test session from nothing, and on copies of that afterwards."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import Connection, create_engine, make_url, select, text
from sqlalchemy.orm import Session

from twig_assets.bench.campaigns import undisturbed
from twig_assets.bench.campaigns.undisturbed import ALL_FAIL, CONCEPTS, POLICY, PROMPTS
from twig_assets.bench.campaigns.workspace import Workspace, materialize
from twig_assets.catalog.database import open_catalog
from twig_assets.catalog.models import Audit, ConceptEdit, Image, Mask, Release
from twig_assets.model_zoo import planted
from twig_assets.prompts.partition_keys import concept_key
from twig_assets.resources import CampaignsResource
from twig_assets.sensors.jobs import BATCH_ASSETS

__all__ = ["ALL_FAIL", "CAMPAIGN", "CONCEPTS", "POLICY", "PROMPTS", "ROOT", "CampaignWorkspace", "Ended", "Workspaces"]

ROOT = Path(__file__).parents[2]
NAME = "tiny"
# The closed form is the quickest method.
CAMPAIGN: dict[str, Any] = {**undisturbed.CAMPAIGN, "title": "Tiny"}
CAMPAIGN["ablation"] = {**CAMPAIGN["ablation"], "method": "closed_form"}


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    text: str


@dataclass(frozen=True)
class CampaignWorkspace(Workspace):
    """A workspace of the campaign `tiny`, with what tests do and look at in it.

    Attributes:
        server_url: Of the PostgreSQL database that holds the catalog and Dagster's instance; empty when both are SQLite
            files in the state folder.
        variables: Further environment variables.
    """

    name: str = NAME
    server_url: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def catalog_url(self) -> str:
        return self.server_url or f"sqlite:///{self.home / 'catalog.db'}"

    def environment(self) -> dict[str, str]:
        """What a process needs to work in this workspace."""
        dagster = make_url(self.server_url).set(drivername="postgresql+psycopg2") if self.server_url else None
        return {
            "TWIG_HOME": str(self.home),
            "TWIG_CATALOG_URL": self.server_url,
            "TWIG_DAGSTER_URL": dagster.render_as_string(hide_password=False) if dagster else "",
            "DAGSTER_HOME": "",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "120",
            **self.variables,
        }

    @contextmanager
    def in_environment(self) -> Iterator[None]:
        """Let this process work in this workspace until the `with` block ends."""
        with super().in_environment(), contextlib.chdir(ROOT):
            yield

    def twig(self, *arguments: str) -> Ended:
        """The command `twig` in this process, which has the models open already."""
        from twig_assets import cli

        out = io.StringIO()
        with self.in_environment(), pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(out):
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
        """A connection of the database's owner, who takes off these tables what keeps them append-only, and back on."""
        engine = create_engine(self.catalog_url)
        with engine.begin() as connection:
            put_back = [statement for table in tables for statement in _allow_changes(connection, table)]
            yield connection
            for statement in put_back:
                connection.exec_driver_sql(statement)
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

    def masks(self) -> list[tuple[int, str | None, list[dict[str, Any]]]]:
        """Image id, hash and ranked masks of every mask."""
        with self.catalog() as session:
            rows = session.execute(select(Mask.image_id, Mask.sha256, Mask.ranked).order_by(Mask.id))
            return [(image, sha256, ranked) for image, sha256, ranked in rows]

    def edits(self) -> list[tuple[str, dict[str, Any] | None]]:
        """Hash of the weights and evaluation of every concept edit."""
        with self.catalog() as session:
            rows = session.execute(select(ConceptEdit.weights_sha256, ConceptEdit.evaluation).order_by(ConceptEdit.id))
            return [(sha256, evaluation) for sha256, evaluation in rows]

    def materialize(self, assets: Sequence[str], partition: str, **resources: Any) -> None:
        """Materialize assets in this process, with these resources in the place of the location's."""
        with self.entered() as location:
            campaigns = CampaignsResource(root=str(self.root))
            assert materialize(location, assets, partition, campaigns=campaigns, **resources).success

    def released(self) -> dict[int, str]:
        """Prompt id -> hash of its published image."""
        with self.catalog() as session:
            rows = session.scalars(select(Release).where(Release.withdrawn_at.is_(None)))
            return {release.prompt_id: release.image.sha256 for release in rows}

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        from twig_assets.orchestration.dagster_home import prepare_dagster_home

        with self.in_environment():
            prepare_dagster_home()
            with dg.DagsterInstance.get() as instance:
                yield instance


def _allow_changes(connection: Connection, table: str) -> list[str]:
    """Let rows of a table change, and return the statements that put an end to that."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        return [f"ALTER TABLE {table} ENABLE TRIGGER USER"]
    wanted = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table"
    triggers = connection.execute(text(wanted), {"table": table}).all()
    for name, _ in triggers:
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
    return [statement for _, statement in triggers]


def _heed_interrupts() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.default_int_handler)


def idle_assets(text: str) -> set[str]:
    """The assets that said that they had nothing to do."""
    return set(re.findall(r"^  (\w+): no work;", text, re.MULTILINE))


@dataclass(frozen=True)
class Workspaces:
    """Makes workspaces, all on one kind of storage.

    Attributes:
        empty_mlflow: MLflow's database without a run in it.
        new_database: Makes a database on a PostgreSQL server, perhaps as a copy; None to use SQLite.
    """

    empty_mlflow: Path
    new_database: Callable[[str], str] | None = None

    def new(self, folder: Path) -> CampaignWorkspace:
        """The campaign, in a workspace where nothing has run yet."""
        workspace = self._workspace(folder)
        shutil.copy(self.empty_mlflow, workspace.home / "mlflow.db")
        workspace.write("campaign.yaml", CAMPAIGN)
        workspace.write("prompts.yaml", PROMPTS)
        workspace.write("concepts.yaml", CONCEPTS)
        workspace.write("policy.yaml", POLICY)
        references = workspace.campaign / "references"
        references.mkdir()
        for work in planted.WORKS[:3]:
            shutil.copy(ROOT / "campaigns" / "demo" / "references" / f"{work.slug}.png", references)
        return workspace

    def copy(self, workspace: CampaignWorkspace, folder: Path) -> CampaignWorkspace:
        """A workspace with all that another has."""
        workspace.copy_to(CampaignWorkspace(folder))
        return self._workspace(folder, like=workspace.server_url)

    def _workspace(self, folder: Path, like: str = "") -> CampaignWorkspace:
        workspace = CampaignWorkspace(folder, server_url=self.new_database(like) if self.new_database else "")
        workspace.home.mkdir(parents=True, exist_ok=True)
        return workspace


@pytest.fixture(scope="session")
def workspaces(request: pytest.FixtureRequest, empty_mlflow: Path) -> Workspaces:
    """Makes workspaces on the storage that `--storage` names."""
    if request.config.getoption("--storage") == "postgresql":
        return Workspaces(empty_mlflow, request.getfixturevalue("postgres"))
    return Workspaces(empty_mlflow)


@pytest.fixture
def workspace(tmp_path: Path, workspaces: Workspaces) -> CampaignWorkspace:
    return workspaces.new(tmp_path)


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory, workspaces: Workspaces) -> tuple[CampaignWorkspace, Ended]:
    """A workspace where the campaign was run from nothing, and how that ended. Not to be changed: see `finished`."""
    workspace = workspaces.new(tmp_path_factory.mktemp("first"))
    return workspace, workspace.run()


@pytest.fixture(scope="session")
def recomposed(
    first_run: tuple[CampaignWorkspace, Ended], tmp_path_factory: pytest.TempPathFactory, workspaces: Workspaces
) -> CampaignWorkspace:
    """A copy of that workspace with other settings and the model that they lead to: every image is due again."""
    workspace = workspaces.copy(first_run[0], tmp_path_factory.mktemp("recomposed") / "copy")
    recompose(workspace)
    return workspace


def recompose(workspace: CampaignWorkspace, **resources: Any) -> None:
    """Give the campaign other settings, ablate its concept by them, and compose its model again."""
    workspace.write("campaign.yaml", {**CAMPAIGN, "generation": {"steps": 3, "batch_size": 1}})
    workspace.write("policy.yaml", {**POLICY, "edits": {"refused": "leave_out"}})
    workspace.materialize(["ablated_models"], concept_key(NAME, CONCEPTS[0]["name"]), **resources)
    workspace.materialize(["composed_model"], NAME, **resources)


@pytest.fixture(scope="session")
def redrawn(
    recomposed: CampaignWorkspace, tmp_path_factory: pytest.TempPathFactory, workspaces: Workspaces
) -> CampaignWorkspace:
    """A copy of the workspace `recomposed` where this process drew the batch again."""
    workspace = workspaces.copy(recomposed, tmp_path_factory.mktemp("redrawn") / "copy")
    workspace.materialize(BATCH_ASSETS, "tiny-000")
    return workspace


@pytest.fixture
def finished(first_run: tuple[CampaignWorkspace, Ended], tmp_path: Path, workspaces: Workspaces) -> CampaignWorkspace:
    """A copy of the workspace where the campaign was run, to change and run again."""
    return workspaces.copy(first_run[0], tmp_path)
