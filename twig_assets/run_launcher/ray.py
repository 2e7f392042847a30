"""Runs as jobs of a Ray cluster, by `dagster-ray`; needs the extra `ray`."""

import shlex

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult
from dagster_ray import RayRunLauncher

from twig_assets.run_launcher.health import health


class RunLauncher(RayRunLauncher):
    """Submits runs as Ray jobs; whether one is alive is known by its claim, also after Ray has forgotten the job."""

    def _launch_ray_job(self, submission_id: str, entrypoint: str, run: dg.DagsterRun) -> None:
        # Dagster's program need not be on the search path of Ray's shell; the interpreter of its code server has it.
        origin = run.job_code_origin
        if origin is not None and entrypoint.startswith("dagster "):
            entrypoint = f"{shlex.quote(origin.repository_origin.executable_path)} -m {entrypoint}"
        super()._launch_ray_job(submission_id, entrypoint, run)

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run is alive; what Ray says counts for one that made no claim."""
        return health(self._instance, run, super().check_run_worker_health)
