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

from twig_assets.definitions import build_defs
from twig_assets.english import with_article
from twig_assets.model_zoo.art import ART_DIR, STYLES, concept_names
from twig_assets.model_zoo.planted import WORKS
from twig_assets.orchestration.dagster_home import prepare_dagster_home

NAME = "trial"


class NotInjectedError(RuntimeError):
    """A fault could not be brought about; the message says why."""


@dataclass(frozen=True)
class Workspace:
    """A campaign and the state folder of its runs.

    Attributes:
        folder: Holds both.
    """

    folder: Path

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
        return self.root / NAME

    def write(self, file: str, content: Any) -> None:
        """Write one of the campaign's files as YAML."""
        self.campaign.mkdir(parents=True, exist_ok=True)
        (self.campaign / file).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def protect(self, works: int) -> None:
        """Make the first of the works that the embedded model knows by heart the campaign's corpus."""
        folder = self.campaign / "references"
        folder.mkdir(parents=True, exist_ok=True)
        for work in WORKS[:works]:
            shutil.copy(ART_DIR / f"planted-{work.slug}.png", folder / f"{work.slug}.png")

    def environment(self) -> dict[str, str]:
        """What a process needs to work here and nowhere else."""
        unset = dict.fromkeys(("DAGSTER_HOME", "TWIG_CATALOG_URL", "TWIG_ARTIFACTS", "MLFLOW_TRACKING_URI"), "")
        return {"TWIG_HOME": str(self.home), "TWIG_CAMPAIGN": NAME, "TWIG_CAMPAIGNS": str(self.root), **unset}

    @contextmanager
    def entered(self) -> Iterator[tuple[dg.DagsterInstance, dg.Definitions]]:
        """Let this process work here until the `with` block ends, with Dagster's instance and the definitions."""
        before = {name: os.environ.get(name) for name in self.environment()}
        os.environ.update(self.environment())
        try:
            prepare_dagster_home()
            with dg.DagsterInstance.get() as instance:
                yield instance, build_defs()
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def with_environment(**more: str) -> Iterator[None]:
    """Add variables to the environment of all workspaces until the `with` block ends."""
    plain = Workspace.environment
    with patch.object(Workspace, "environment", lambda workspace: {**plain(workspace), **more}):
        yield


def ordinary_prompts(count: int) -> list[str]:
    """Prompts of things that the embedded model knows, in its styles; at most some five hundred."""
    pairs = [(name, style) for style in STYLES for name in concept_names()]
    if count > len(pairs):
        raise ValueError(f"there are {len(pairs)} ordinary prompts, not {count}")
    return [f"{with_article(name)}, {style} style" for name, style in pairs[:count]]


def materialize(
    found: tuple[dg.DagsterInstance, dg.Definitions],
    names: Sequence[str],
    partition: str | None = None,
    **resources: Any,
) -> dg.ExecuteInProcessResult:
    """Make assets in this process, and raise if that fails for another reason than the gate."""
    instance, defs = found
    job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={dg.AssetKey(n) for n in names})
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return job.execute_in_process(
        instance=instance, partition_key=partition, run_config=quiet, resources=resources or None
    )
