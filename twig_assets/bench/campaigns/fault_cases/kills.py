"""kill -9 at 25 points spread over all assets."""

import signal
from dataclasses import dataclass

from twig_assets.bench.campaigns import kill_points
from twig_assets.bench.campaigns.fault_cases.case import Fault, NotInjectedError, run_again
from twig_assets.bench.campaigns.processes import forked, twig_run
from twig_assets.bench.campaigns.undisturbed import UndisturbedRuns
from twig_assets.bench.campaigns.workspace import Workspace


@dataclass(frozen=True)
class Kill:
    """A point at which a run is killed.

    Attributes:
        asset: The asset that is being materialized.
        event: One of `kill_points.EVENTS`: what is about to happen, or has just happened.
        number: The run is killed when the event happens for this time, counted from 1 within the asset.
    """

    asset: str
    event: str
    number: int


KILLS = [
    Kill("protected_concepts", "before commit", 1),
    Kill("reference_corpus", "before rename", 2),
    Kill("reference_corpus", "before commit", 1),
    Kill("ablated_models", "after rename", 1),
    Kill("ablated_models", "before commit", 3),
    Kill("ablated_models", "after commit", 3),
    Kill("composed_model", "before commit", 1),
    Kill("composed_model", "after commit", 1),
    Kill("prompts", "before commit", 1),
    Kill("prompts", "after commit", 1),
    Kill("generated_images", "after rename", 2),
    Kill("generated_images", "before commit", 2),
    Kill("generated_images", "after commit", 2),
    Kill("masks", "before rename", 1),
    Kill("masks", "before commit", 2),
    Kill("masks", "before tracking", 1),
    Kill("regenerated_images", "before rename", 2),
    Kill("regenerated_images", "before commit", 2),
    Kill("regenerated_images", "after commit", 2),
    Kill("similarity_audits", "before commit", 3),
    Kill("similarity_audits", "after commit", 3),
    Kill("released_images", "before commit", 1),
    Kill("released_images", "after commit", 1),
    Kill("compliance_report", "before page", 2),
    Kill("compliance_report", "before rename", 1),
]


def killed(kill: Kill) -> Fault:
    """A fault case: a run from nothing is killed at that point, and the same command is run again."""

    def fault(undisturbed: UndisturbedRuns, workspace: Workspace) -> list[str]:
        undisturbed.fresh.copy_to(workspace)
        code = forked(workspace, kill_points.main, kill.asset, kill.event, kill.number, twig_run(workspace)[1:])
        if code != -signal.SIGKILL:
            raise NotInjectedError(f"the run ended with status {code} before it got there")
        return run_again(workspace, undisturbed.state)

    return fault
