"""Sensors and schedules: they look at files and rows, start runs, and never load a model."""

from sensors.automation import automation
from sensors.campaign_partitions import campaign_partitions
from sensors.jobs import draw_batch, read_corpus
from sensors.notifications import notifications
from sensors.reference_changes import reference_changes
from sensors.ssim_violations import ssim_violations

JOBS = [draw_batch, read_corpus]
SENSORS = [automation, campaign_partitions, notifications, reference_changes, ssim_violations]

__all__ = [
    "JOBS",
    "SENSORS",
    "automation",
    "campaign_partitions",
    "draw_batch",
    "notifications",
    "read_corpus",
    "reference_changes",
    "ssim_violations",
]
