"""Dagster's instance with the code location, and a sensor's context there; it loads no models."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import dagster as dg

Location: TypeAlias = tuple[dg.DagsterInstance, dg.Definitions]
"""Dagster's instance and the definitions of the code location."""


@contextmanager
def sensor_context(
    location: Location, sensor: dg.SensorDefinition, cursor: str | None = None
) -> Iterator[dg.SensorEvaluationContext]:
    """A context for `sensor.evaluate_tick`, with the location's resources; `cursor`: what the last tick left."""
    instance, defs = location
    repository = defs.get_repository_def()
    with dg.build_sensor_context(
        repository_def=repository,
        sensor_name=sensor.name,
        resources=repository.get_top_level_resources(),
        instance_ref=instance.get_ref(),
        cursor=cursor,
    ) as context:
        yield context
