"""The sensor that repeats runs that died, that is, failed for another reason than images that copy too much."""

import dagster as dg

from twig_assets.sensors.jobs import compliance_audit, draw_batch, read_corpus
from twig_assets.sensors.runs import PARTITION, STATE, died
from twig_assets.settings.home import sensor_seconds

RETRY, RETRIES = "twig/retry", 2
JOBS = [draw_batch, read_corpus, compliance_audit]


@dg.run_failure_sensor(
    name="failed_runs",
    request_jobs=JOBS,
    minimum_interval_seconds=sensor_seconds(30),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"Repeats a run of a sensor or schedule that died, at most {RETRIES} times; what was finished is kept, "
    "so the run goes on where it stopped. ssim_violations and missing_work see to their own.",
)
def failed_runs(context: dg.RunFailureSensorContext) -> dg.RunRequest | dg.SkipReason:
    """Request the run again, unless another sensor does or a person started it."""
    run = context.dagster_run
    named = f"run {run.run_id[:8]} of {run.job_name}"
    if run.job_name not in {job.name for job in JOBS}:
        return dg.SkipReason(f"{named} was started by hand or by automation and is not repeated")
    if STATE in run.tags:
        return dg.SkipReason(f"{named}: ssim_violations or missing_work requests another while it is needed")
    if not died(context.instance, run):
        return dg.SkipReason(f"{named} was stopped by its gate: ssim_violations decides about its batch")
    count = int(run.tags.get(RETRY, "0"))
    if count >= RETRIES:
        return dg.SkipReason(
            f"{named} died {count + 1} times and is not repeated; read its log for the reason, then start it by hand"
        )
    context.log.info(f"{named} died: {context.failure_event.message}; repeating it")
    return dg.RunRequest(
        run_key=f"retry:{run.run_id}",
        job_name=run.job_name,
        partition_key=run.tags.get(PARTITION),
        tags={RETRY: str(count + 1), "twig/retry_of": run.run_id},
    )
