"""Runs as jobs of a Ray cluster, by `dagster-ray`; needs the extra `ray`."""

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult
from dagster_ray import RayRunLauncher

from twig_assets.run_launcher.health import health


class RunLauncher(RayRunLauncher):
    """Submits runs as Ray jobs; whether one is alive is known by its claim, also after Ray has forgotten the job."""

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run is alive; what Ray says counts for one that made no claim."""
        return health(self._instance, run, super().check_run_worker_health)
