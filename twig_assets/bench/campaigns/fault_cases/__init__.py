"""Fault cases: what is broken on purpose, one file for each kind of fault."""

from collections.abc import Iterator

from twig_assets.bench.campaigns.fault_cases.case import Fault, NotInjectedError
from twig_assets.bench.campaigns.fault_cases.channels import CHANNEL_FAULTS
from twig_assets.bench.campaigns.fault_cases.daemons import DAEMON_FAULTS
from twig_assets.bench.campaigns.fault_cases.databases import DATABASE_FAULTS
from twig_assets.bench.campaigns.fault_cases.disks import DISK_FAULTS
from twig_assets.bench.campaigns.fault_cases.hands_and_clocks import HAND_FAULTS
from twig_assets.bench.campaigns.fault_cases.inboxes import INBOX_FAULTS
from twig_assets.bench.campaigns.fault_cases.kills import KILLS, killed
from twig_assets.bench.campaigns.fault_cases.mlflow import MLFLOW_FAULTS
from twig_assets.bench.campaigns.fault_cases.signals import SIGNAL_FAULTS
from twig_assets.bench.campaigns.fault_cases.states import STATE_FAULTS

__all__ = ["Fault", "NotInjectedError", "all_faults"]


def all_faults(quick: bool) -> Iterator[tuple[str, Fault]]:
    """Name and function of every fault case; `quick` takes every fifth of the kills and leaves the daemons out."""
    yield from (DATABASE_FAULTS | HAND_FAULTS | MLFLOW_FAULTS | DISK_FAULTS | SIGNAL_FAULTS).items()
    yield from (INBOX_FAULTS | CHANNEL_FAULTS | STATE_FAULTS).items()
    for kill in KILLS[::5] if quick else KILLS:
        yield f"kill -9 in {kill.asset}, {kill.event} {kill.number}", killed(kill)
    if not quick:
        yield from DAEMON_FAULTS.items()
