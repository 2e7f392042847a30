"""The sensor that adds time stamps to releases that were signed while the server was away."""

import dagster as dg

from twig_assets.provenance.stamping import stamp_releases
from twig_assets.resources import CatalogResource, StoreResource
from twig_assets.settings.home import sensor_seconds

# A server that does not answer costs half a minute, and a tick has one.
RELEASES_PER_TICK = 20


@dg.sensor(
    name="time_stamps",
    minimum_interval_seconds=sensor_seconds(300),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Adds a time stamp to releases that were signed while the server of time stamps was away, as "
    "`twig keys stamp` does. It starts no run.",
)
def time_stamps(context: dg.SensorEvaluationContext, catalog: CatalogResource, store: StoreResource) -> dg.SkipReason:
    """Stamp what waits, and say what came of it."""
    stamped = stamp_releases(catalog.open(), store.open(), RELEASES_PER_TICK)
    message = "; ".join([stamped.sentence(), *stamped.troubles])
    context.log.info(message)
    return dg.SkipReason(message)
