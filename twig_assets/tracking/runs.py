"""The MLflow runs that were made for runs of Dagster."""

from collections.abc import Iterable
from pathlib import Path

from twig_assets.settings.secrets import hidden
from twig_assets.tracking.send import TrackingError


def runs_of(uri: str, ui_url: str, dagster_run_ids: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    """Dagster run id -> name and URL of the MLflow runs that `TrackerResource.record` made for it; changes nothing.

    Raises:
        TrackingError: When the server or the database cannot be read.
    """
    from mlflow import MlflowClient

    from twig_assets.tracking.failures import failures

    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        return {}
    try:
        client = MlflowClient(uri)
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        runs_by_id = {
            run_id: client.search_runs(experiments, f"tags.`dagster/run_id` = '{run_id}'", order_by=["start_time"])
            for run_id in dagster_run_ids
        }
    except failures() as error:
        raise TrackingError(hidden(f"MLflow at {uri} cannot be read: {error}")) from error
    return {
        run_id: [
            (run.info.run_name or "", f"{ui_url}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}")
            for run in runs
        ]
        for run_id, runs in runs_by_id.items()
    }
