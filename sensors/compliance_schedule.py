"""The schedule of the daily audit of everything that is published."""

import dagster as dg

from twig_assets.sensors.jobs import compliance_audit
from twig_assets.settings.home import audit_cron

compliance_schedule = dg.ScheduleDefinition(
    name="compliance_audit",
    job=compliance_audit,
    cron_schedule=audit_cron(),
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day at 06:00 UTC: reads the corpus, audits every published image that has no verdict under the "
    "policy and corpus in force, withdraws what no longer complies, and writes a dated report.",
)
