"""Sensors and schedules: they look at files and rows, start runs, and never load a model."""

from twig_assets.sensors.automation import automation
from twig_assets.sensors.campaign_partitions import campaign_partitions
from twig_assets.sensors.compliance_schedule import compliance_schedule
from twig_assets.sensors.failed_runs import failed_runs
from twig_assets.sensors.jobs import (
    ablate_concept,
    compliance_audit,
    compose_model,
    draw_batch,
    read_corpus,
    read_inputs,
)
from twig_assets.sensors.missing_work import missing_work
from twig_assets.sensors.notifications import notifications
from twig_assets.sensors.prompt_inbox import prompt_inbox
from twig_assets.sensors.reference_changes import reference_changes
from twig_assets.sensors.ssim_violations import ssim_violations
from twig_assets.sensors.time_stamps import time_stamps

JOBS = [read_inputs, ablate_concept, compose_model, draw_batch, read_corpus, compliance_audit]
SCHEDULES = [compliance_schedule]
SENSORS = [
    automation,
    campaign_partitions,
    failed_runs,
    missing_work,
    notifications,
    prompt_inbox,
    reference_changes,
    ssim_violations,
    time_stamps,
]

__all__ = [
    "ablate_concept",
    "compose_model",
    "missing_work",
    "read_inputs",
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
    "time_stamps",
]
