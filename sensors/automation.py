"""The sensor that materializes assets whose automation condition holds."""

import dagster as dg

from twig_assets.settings.home import sensor_seconds

automation = dg.AutomationConditionSensorDefinition(
    name="automation",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=sensor_seconds(30),
    description="Releases a batch as soon as its audits are there and its gate has passed.",
)
