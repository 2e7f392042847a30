"""The small campaign that faults are injected into, and what it comes to when nothing disturbs it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient

from twig_assets.bench.campaigns.end_state import State, end_state, unlisted_garbage, verification_findings
from twig_assets.bench.campaigns.processes import run_in_this_process
from twig_assets.bench.campaigns.workspace import Workspace
from twig_assets.catalog.store import ArtifactStore
from twig_assets.settings.home import artifact_root

PROMPTS = ["a red apple", "an owl, fluent style", "a pouting cat"]
CONCEPTS = [{"name": "pouting-cat", "target": "pouting cat", "anchor": "cat face", "kind": "object"}]
_NOTHING_ASKED = {"max_target_share": None, "max_surrounding_drop": None}
_QUICK = {"samples": 1, "surrounding_samples": 1, "variants": 0, "unrelated": [], "adversarial_samples": 0}
CAMPAIGN = {
    "title": "Trial",
    "batch_size": 3,
    "max_attempts": 2,
    "generation": {"steps": 2},
    # Whatever removes the concept: faults are told by what is left, and this way takes a second and not twenty. One
    # image says nothing of whether it did, so nothing is asked of the edit.
    "ablation": {"method": "closed_form", "evaluation": _QUICK, "gate": _NOTHING_ASKED},
}
# Two steps give poor pictures: only a copy to the pixel shall fail, and whatever they show shall count as asked.
POLICY = {
    "ssim_threshold": 0.999,
    "masked_ssim_threshold": 0.999,
    "iw_ssim_threshold": None,
    "hog_cosine_at_least": 0.999,
    "edges_cosine_at_least": 0.999,
    "review_margin": 0.0,
    "min_contrast": 0.0,
    "adherence": {"threshold": -2.0},
}
ALL_FAIL = {**POLICY, "ssim_threshold": 0.000001, "masked_ssim_threshold": 0.000001}


@dataclass(frozen=True)
class UndisturbedRuns:
    """The campaign before and after undisturbed runs, which faulty ones are compared with.

    Attributes:
        fresh: A workspace where nothing has run.
        finished: A copy of it where the campaign was run.
        state: The end state of `finished`.
        strict_workspace: A copy of `finished` where the campaign was run again with the policy ALL_FAIL.
        strict: The end state of `strict_workspace`.
    """

    fresh: Workspace
    finished: Workspace
    state: State
    strict_workspace: Workspace
    strict: State


def run_undisturbed(folder: Path) -> UndisturbedRuns:
    """Run the campaign below a folder without any fault.

    Raises:
        AssertionError: If a run fails, or the audit does not catch the image that it should catch.
    """
    fresh = fresh_campaign(folder)
    finished = fresh.copy_to(Workspace(folder / "finished"))
    state = _run(finished)
    strict_workspace = finished.copy_to(Workspace(folder / "strict"))
    strict_workspace.write("policy.yaml", ALL_FAIL)
    return UndisturbedRuns(fresh, finished, state, strict_workspace, _run(strict_workspace))


def fresh_campaign(folder: Path) -> Workspace:
    """A workspace below a folder where nothing has run, whose first image the audit is going to catch."""
    fresh = Workspace(folder / "fresh")
    fresh.write("campaign.yaml", CAMPAIGN)
    fresh.write("prompts.yaml", PROMPTS)
    fresh.write("concepts.yaml", CONCEPTS)
    fresh.write("policy.yaml", POLICY)
    fresh.protect(2)
    fresh.home.mkdir(parents=True)
    MlflowClient(f"sqlite:///{fresh.home / 'mlflow.db'}").search_experiments()
    _protect_first_image(fresh, fresh.copy_to(Workspace(folder / "first")))
    return fresh


def _run(workspace: Workspace) -> State:
    assert run_in_this_process(workspace) == "", "the campaign does not run even undisturbed"
    with workspace.entered():
        state, problems = end_state(), [*verification_findings(), *unlisted_garbage()]
    assert not problems, problems
    assert len({row[2] for row in state["images"]}) == 2, "no image was drawn a second time"
    return state


def _protect_first_image(fresh: Workspace, copy: Workspace) -> None:
    """Add what the first prompt gives to the corpus of `fresh`, so that the audit catches it."""
    assert run_in_this_process(copy) == "", "the campaign does not run even undisturbed"
    with copy.entered():
        image = next(row for row in end_state()["images"] if row[:3] == (PROMPTS[0], "regenerated", 0))
        path = ArtifactStore(artifact_root()).path(image[4], "png")
    shutil.copy(str(path), fresh.campaign / "references" / "drawn.png")
