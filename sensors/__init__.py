"""Sensors and schedules: they look at files and rows, start runs, and never load a model."""

from sensors.automation import automation
from sensors.campaign_partitions import campaign_partitions

__all__ = ["automation", "campaign_partitions"]
