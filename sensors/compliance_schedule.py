"""The schedule of the daily audit of everything that is published."""

from collections.abc import Iterator

import dagster as dg

from twig_assets.resources import CampaignsResource
from twig_assets.sensors.jobs import CAMPAIGNS, compliance_audit
from twig_assets.settings.home import audit_cron


@dg.schedule(
    name="compliance_audit",
    job=compliance_audit,
    cron_schedule=audit_cron(),
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day at 06:00 UTC, for every campaign: reads the corpus, audits every published image that has "
    "no verdict under the policy and corpus in force, withdraws what no longer complies, and writes a dated report.",
)
def compliance_schedule(
    context: dg.ScheduleEvaluationContext, campaigns: CampaignsResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Request a run for every campaign that has a partition."""
    names = [name for name in campaigns.names() if context.instance.has_dynamic_partition(CAMPAIGNS, name)]
    for name in names:
        yield dg.RunRequest(run_key=f"{context.scheduled_execution_time.isoformat()}:{name}", partition_key=name)
    if not names:
        yield dg.SkipReason("no campaign has a partition yet; the sensor campaign_partitions adds them")
