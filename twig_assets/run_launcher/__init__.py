"""What starts Dagster's runs, and knows which of them are still alive; named in `dagster.yaml`, so it stays here."""

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext

from twig_assets.run_launcher.health import health
from twig_assets.run_launcher.liveness import LAUNCHED_FROM, this_place

__all__ = ["RunLauncher"]


class RunLauncher(dg.DefaultRunLauncher):
    """Dagster's default launcher, which also says whether a run is alive; `run_monitoring` asks it."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start a process of the code server."""
        self._instance.add_run_tags(context.dagster_run.run_id, {LAUNCHED_FROM: this_place()})
        super().launch_run(context)

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Always true: `check_run_worker_health` can be asked."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run is alive; one that cannot be seen from here is assumed to be."""
        return health(self._instance, run)
