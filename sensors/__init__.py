"""Sensors and schedules: they look at files and rows, start runs, and never load a model."""

from sensors.automation import automation
from sensors.campaign_partitions import campaign_partitions
from sensors.compliance_schedule import compliance_schedule
from sensors.failed_runs import failed_runs
from sensors.jobs import compliance_audit, draw_batch, read_corpus
from sensors.notifications import notifications
from sensors.prompt_inbox import prompt_inbox
from sensors.reference_changes import reference_changes
from sensors.ssim_violations import ssim_violations

JOBS = [draw_batch, read_corpus, compliance_audit]
SCHEDULES = [compliance_schedule]
SENSORS = [
    automation,
    campaign_partitions,
    failed_runs,
    notifications,
    prompt_inbox,
    reference_changes,
    ssim_violations,
]

__all__ = [
    "JOBS",
    "SCHEDULES",
    "SENSORS",
    "automation",
    "campaign_partitions",
    "compliance_audit",
    "compliance_schedule",
    "draw_batch",
    "failed_runs",
    "notifications",
    "prompt_inbox",
    "read_corpus",
    "reference_changes",
    "ssim_violations",
]
