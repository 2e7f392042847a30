"""A campaign of its own in a folder of its own, for a benchmark to run."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
import yaml

from twig_assets.bench.campaigns.location import Location
from twig_assets.definitions import build_defs
from twig_assets.english import with_article
from twig_assets.model_zoo.art import ART_DIR, STYLES, concept_names
from twig_assets.model_zoo.planted import WORKS
from twig_assets.orchestration.dagster_home import prepare_dagster_home
from twig_assets.sensors.jobs import CAMPAIGNS

NAME = "trial"


@dataclass(frozen=True)
class Workspace:
    """A campaign and the state folder of its runs.

    Attributes:
        folder: Holds both.
        name: The campaign's name.
    """

    folder: Path
    name: str = NAME

    @property
    def home(self) -> Path:
        """The state folder."""
        return self.folder / "home"

    @property
    def root(self) -> Path:
        """The folder of the campaign's folder."""
        return self.folder / "campaigns"

    @property
    def campaign(self) -> Path:
        """The campaign's folder."""
        return self.root / self.name

    def write(self, file: str, content: Any) -> None:
        """Write one of the campaign's files as YAML."""
        self.campaign.mkdir(parents=True, exist_ok=True)
        (self.campaign / file).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def protect(self, works: int) -> None:
        """Make the first `works` of the works that the embedded model has memorised the campaign's corpus."""
        folder = self.campaign / "references"
        folder.mkdir(parents=True, exist_ok=True)
        for work in WORKS[:works]:
            shutil.copy(ART_DIR / f"planted-{work.slug}.png", folder / f"{work.slug}.png")

    def copy_to(self, target: "Workspace") -> "Workspace":
        """Copy everything, Dagster's runs and MLflow's included, into another workspace, and return that."""
        shutil.copytree(self.folder, target.folder, dirs_exist_ok=True)
        return target

    def environment(self) -> dict[str, str]:
        """The environment variables that make a process work in this workspace and nowhere else."""
        unset = dict.fromkeys(("DAGSTER_HOME", "TWIG_CATALOG_URL", "TWIG_ARTIFACTS", "MLFLOW_TRACKING_URI"), "")
        return {"TWIG_HOME": str(self.home), "TWIG_CAMPAIGN": self.name, "TWIG_CAMPAIGNS": str(self.root), **unset}

    @contextmanager
    def in_environment(self) -> Iterator[None]:
        """Let this process work in the workspace until the `with` block ends."""
        before = {name: os.environ.get(name) for name in self.environment()}
        os.environ.update(self.environment())
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})

    @contextmanager
    def entered(self) -> Iterator[Location]:
        """The same, with the code location there."""
        with self.in_environment():
            prepare_dagster_home()
            with dg.DagsterInstance.get() as instance:
                yield instance, build_defs()


@contextmanager
def with_environment(**variables: str) -> Iterator[None]:
    """Add variables to the environment of all workspaces until the `with` block ends."""
    plain = Workspace.environment
    with patch.object(Workspace, "environment", lambda workspace: {**plain(workspace), **variables}):
        yield


def ordinary_prompts(count: int) -> list[str]:
    """Prompts for concepts and styles that the embedded model was trained on.

    Args:
        count: How many; at most one for each concept and style, 536 in all.

    Raises:
        ValueError: If there are fewer.
    """
    pairs = [(name, style) for style in STYLES for name in concept_names()]
    if count > len(pairs):
        raise ValueError(f"there are {len(pairs)} ordinary prompts, not {count}")
    return [f"{with_article(name)}, {style} style" for name, style in pairs[:count]]


def materialize(
    location: Location, names: Sequence[str], partition: str, **resources: Any
) -> dg.ExecuteInProcessResult:
    """Materialize assets in this process.

    Args:
        location: What `Workspace.entered` gives.
        names: Names of the assets; they are materialized in one run.
        partition: Key of the batch or concept, or the campaign's name.
        resources: Replace the location's resources of the same name.

    Raises:
        Exception: Whatever an asset raises. A blocking check that fails raises nothing.
    """
    instance, defs = location
    selection = {dg.AssetKey(name) for name in names}
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection=selection)
    if isinstance(job.partitions_def, dg.DynamicPartitionsDefinition) and job.partitions_def.name == CAMPAIGNS:
        instance.add_dynamic_partitions(CAMPAIGNS, [partition])
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return job.execute_in_process(
        instance=instance, partition_key=partition, run_config=quiet, resources=resources or None
    )
