"""kill -9 at 25 points spread over all assets."""

import signal
from dataclasses import dataclass

from twig_assets.bench.campaigns import kill_points
from twig_assets.bench.campaigns.campaign_at_rest import Fault, Rest, copied, run_again, twig_run
from twig_assets.bench.campaigns.forks import exit_status
from twig_assets.bench.campaigns.workspace import NotInjectedError, Workspace


@dataclass(frozen=True)
class Kill:
    """A point at which a run is killed; see `kill_points`.

    Attributes:
        asset: What is being made.
        event: What is about to happen, or has just happened.
        number: For the how-manieth time.
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
    """A fault: a run from nothing is killed there, and the same command run again."""

    def fault(undisturbed: Rest, workspace: Workspace) -> list[str]:
        copied(undisturbed.fresh, workspace)
        code = exit_status(workspace, kill_points.main, kill.asset, kill.event, kill.number, twig_run(workspace)[1:])
        if code != -signal.SIGKILL:
            raise NotInjectedError(f"the run ended with status {code} before it got there")
        return run_again(workspace, undisturbed.state)

    return fault
