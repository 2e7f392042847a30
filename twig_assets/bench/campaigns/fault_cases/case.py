"""What a fault case is, and how it is decided whether the campaign survived it."""

from collections.abc import Callable
from typing import Any, TypeAlias

import dagster as dg

from twig_assets.bench.campaigns.end_state import (
    State,
    differences,
    end_state,
    unlisted_garbage,
    verification_findings,
)
from twig_assets.bench.campaigns.location import Location, sensor_context
from twig_assets.bench.campaigns.processes import run_in_this_process
from twig_assets.bench.campaigns.undisturbed import UndisturbedRuns
from twig_assets.bench.campaigns.workspace import Workspace
from twig_assets.sensors import runs

Fault: TypeAlias = Callable[[UndisturbedRuns, Workspace], list[str]]
"""Brings a fault about in an empty workspace, runs the same command again, and returns what is wrong then."""

_UNFINISHED = dg.RunsFilter(statuses=runs.GOING_ON)


class NotInjectedError(RuntimeError):
    """A fault could not be brought about; the message says why."""


def named(*faults: Fault) -> dict[str, Fault]:
    """Faults by the first line of their docstrings, without the full stop."""
    return {str(fault.__doc__).splitlines()[0].rstrip("."): fault for fault in faults}


def problems_left(workspace: Workspace, expected: State) -> list[str]:
    """What is wrong in a workspace, compared with an undisturbed run's end state; empty when all is well."""
    with workspace.entered() as (instance, _):
        unfinished = [f"run {run.run_id} is said to be going on" for run in instance.get_runs(_UNFINISHED)]
        return [*differences(end_state(), expected), *verification_findings(), *unlisted_garbage(), *unfinished]


def run_again(workspace: Workspace, expected: State) -> list[str]:
    """Run the campaign once more and return what is wrong then."""
    error = run_in_this_process(workspace)
    return [*([f"the same command failed: {error}"] if error else []), *problems_left(workspace, expected)]


def tick(location: Location, sensor: dg.SensorDefinition, cursor: str | None = None) -> Any:
    """What a tick of a sensor in this process gives."""
    with sensor_context(location, sensor, cursor) as context:
        return sensor.evaluate_tick(context)
