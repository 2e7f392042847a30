"""Fault cases: what is broken on purpose, one file for each kind of fault."""

from collections.abc import Iterator
from typing import Literal, TypeAlias

from twig_assets.bench.campaigns.fault_cases import databases, disks, hands_and_clocks, mlflow, signals, states
from twig_assets.bench.campaigns.fault_cases.case import Fault, NotInjectedError
from twig_assets.bench.campaigns.fault_cases.channels import CHANNEL_FAULTS
from twig_assets.bench.campaigns.fault_cases.daemons import DAEMON_FAULTS
from twig_assets.bench.campaigns.fault_cases.inboxes import INBOX_FAULTS
from twig_assets.bench.campaigns.fault_cases.kills import KILLS, killed

__all__ = ["Fault", "NotInjectedError", "Sample", "all_faults"]

Sample: TypeAlias = Literal["quick", "default", "full"]

KILL_STEPS: dict[Sample, int] = {"quick": 5, "default": 2, "full": 1}
"""Sample -> every how manieth of the kills is in it."""

LONG: frozenset[Fault] = frozenset(
    (
        databases.two_runs_at_once,
        databases.database_locked,
        databases.postgresql_gone,
        disks.disk_full,
        disks.no_space_left,
        hands_and_clocks.clock_set_back,
        mlflow.mlflow_down,
        mlflow.mlflow_hangs,
        mlflow.mlflow_database_dead,
        mlflow.nowhere_to_keep,
        mlflow.mlflow_restarted,
        signals.terminated,
        signals.interrupted,
        signals.hung_up,
        signals.frozen,
        states.work_torn,
    )
)
"""Faults that take several runs, processes that begin with nothing imported, or waiting; in the full sample only."""


def all_faults(sample: Sample) -> Iterator[tuple[str, Fault]]:
    """Name and function of every fault case of a sample; the daemon's are in the full one only."""
    cases = (
        databases.DATABASE_FAULTS
        | hands_and_clocks.HAND_FAULTS
        | mlflow.MLFLOW_FAULTS
        | disks.DISK_FAULTS
        | signals.SIGNAL_FAULTS
        | INBOX_FAULTS
        | CHANNEL_FAULTS
        | states.STATE_FAULTS
    )
    yield from ((name, fault) for name, fault in cases.items() if sample == "full" or fault not in LONG)
    for kill in KILLS[:: KILL_STEPS[sample]]:
        yield f"kill -9 in {kill.asset}, {kill.event} {kill.number}", killed(kill)
    if sample == "full":
        yield from DAEMON_FAULTS.items()
