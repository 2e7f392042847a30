"""The small campaign that faults are injected into, and what it comes to undisturbed."""

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from mlflow import MlflowClient
from rich.console import Console

from twig_assets.bench.campaigns.end_state import State, differences, end_state, findings, unnamed_litter
from twig_assets.bench.campaigns.workspace import NAME, Workspace
from twig_assets.campaign import load_campaign
from twig_assets.catalog.store import ArtifactStore
from twig_assets.orchestration.runner import CampaignRunner, RunFailedError
from twig_assets.sensors import runs
from twig_assets.settings.home import artifact_root

PROMPTS = ["a red apple", "an owl, fluent style", "a pouting cat"]
CONCEPTS = [{"name": "pouting-cat", "target": "pouting cat", "anchor": "cat face", "kind": "object"}]
_QUICK = {"samples": 1, "surrounding_samples": 1, "variants": 0, "unrelated": [], "adversarial_samples": 0}
CAMPAIGN = {
    "title": "Trial",
    "batch_size": 3,
    "max_attempts": 2,
    "generation": {"steps": 2},
    "ablation": {"evaluation": _QUICK},
}
# So few steps give poor pictures; only a copy to the pixel is to fail.
POLICY = {"ssim_threshold": 0.999, "masked_ssim_threshold": 0.999, "review_margin": 0.0, "min_contrast": 0.0}
GOING_ON = dg.RunsFilter(statuses=runs.GOING_ON)
ALL_FAIL = {**POLICY, "ssim_threshold": 0.000001, "masked_ssim_threshold": 0.000001}


@dataclass(frozen=True)
class Rest:
    """What undisturbed runs come to.

    Attributes:
        fresh: A workspace where nothing has run.
        finished: A copy of it where the campaign was run.
        state: Of that.
        strict_workspace: A copy of that where it was run once more, under ALL_FAIL.
        strict: The state of that.
    """

    fresh: Workspace
    finished: Workspace
    state: State
    strict_workspace: Workspace
    strict: State


Fault = Callable[[Rest, Workspace], list[str]]
"""Brings a fault about in a workspace, runs the same command again, and returns what is wrong then."""


def rest(folder: Path) -> Rest:
    """Run the campaign undisturbed.

    Raises:
        AssertionError: When it is not caught and drawn anew what should be.
    """
    fresh = Workspace(folder / "fresh")
    fresh.write("campaign.yaml", CAMPAIGN)
    fresh.write("prompts.yaml", PROMPTS)
    fresh.write("concepts.yaml", CONCEPTS)
    fresh.write("policy.yaml", POLICY)
    fresh.protect(2)
    fresh.home.mkdir(parents=True)
    MlflowClient(f"sqlite:///{fresh.home / 'mlflow.db'}").search_experiments()
    _protect_what_is_drawn_first(fresh, copied(fresh, Workspace(folder / "first")))
    finished, strict = copied(fresh, Workspace(folder / "finished")), Workspace(folder / "strict")
    state = _run_undisturbed(finished)
    copied(finished, strict).write("policy.yaml", ALL_FAIL)
    return Rest(fresh, finished, state, strict, _run_undisturbed(strict))


def _run_undisturbed(workspace: Workspace) -> State:
    assert run_here(workspace) == "", "the campaign does not run even undisturbed"
    with workspace.entered():
        state, wrong = end_state(), [*findings(), *unnamed_litter()]
    assert not wrong, wrong
    assert len({row[2] for row in state["images"]}) == 2, "nothing was drawn anew"
    return state


def _protect_what_is_drawn_first(fresh: Workspace, trial: Workspace) -> None:
    assert run_here(trial) == "", "the campaign does not run even undisturbed"
    with trial.entered():
        drawn = next(row for row in end_state()["images"] if row[:3] == (PROMPTS[0], "regenerated", 0))
        path = ArtifactStore(artifact_root()).path(drawn[4], "png")
    shutil.copy(str(path), fresh.campaign / "references" / "drawn.png")


def copied(workspace: Workspace, target: Workspace) -> Workspace:
    """A copy of a workspace. Dagster's runs and MLflow's come with it."""
    shutil.copytree(workspace.folder, target.folder, dirs_exist_ok=True)
    return target


def run_here(workspace: Workspace) -> str:
    """What `twig run` does, in this process, which has the models open; returns the error it ended with, or nothing."""
    with workspace.entered():
        try:
            CampaignRunner(load_campaign(NAME, workspace.root), Console(file=io.StringIO())).run()
        except RunFailedError as error:
            return str(error)
    return ""


def process(
    workspace: Workspace, *command: str, before: Callable[[], None] | None = None, **environment: str
) -> subprocess.Popen[str]:
    """A Python module as a process of its own in a workspace; what it prints goes to `process.log` there.

    Args:
        workspace: Where.
        command: The module and its arguments.
        before: Called in the new process before it becomes Python.
        environment: Further variables.
    """
    workspace.folder.mkdir(parents=True, exist_ok=True)
    with (workspace.folder / "process.log").open("a", encoding="utf-8") as log:
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", *command],
            text=True,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=before,
            env={**os.environ, **workspace.environment(), **environment},
        )


def twig_run(workspace: Workspace) -> list[str]:
    """The command that runs the campaign, for `process`."""
    return ["twig_assets.cli", "run", "--campaign", NAME, "--root", str(workspace.root)]


def settled(workspace: Workspace, expected: State) -> list[str]:
    """What is wrong in a workspace, beside the state that an undisturbed run has; empty when all is well."""
    with workspace.entered() as (instance, _):
        open_runs = [f"run {run.run_id} is said to be going on" for run in instance.get_runs(GOING_ON)]
        return [*differences(end_state(), expected), *findings(), *unnamed_litter(), *open_runs]


def run_again(workspace: Workspace, expected: State) -> list[str]:
    """Run once more and say what is wrong then."""
    error = run_here(workspace)
    return [*([f"the same command failed: {error}"] if error else []), *settled(workspace, expected)]


def named(*faults: Fault) -> dict[str, Fault]:
    """Faults by the first line of what they say of themselves."""
    return {str(fault.__doc__).splitlines()[0].rstrip("."): fault for fault in faults}
