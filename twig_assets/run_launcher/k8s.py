"""Runs as jobs of a Kubernetes cluster, by `dagster-k8s`; needs the extra `k8s`."""

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult
from dagster_k8s import K8sRunLauncher

from twig_assets.run_launcher.health import health


class RunLauncher(K8sRunLauncher):
    """Makes a Kubernetes job for every run; whether one is alive is known by its claim, wherever it was started."""

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run is alive; what Kubernetes says counts for one that made no claim."""
        return health(self._instance, run, super().check_run_worker_health)
