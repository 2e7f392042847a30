"""The MLflow runs that were made for runs of Dagster."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twig_assets.settings.secrets import hidden
from twig_assets.tracking.patience import answer_within
from twig_assets.tracking.send import TrackingError

READ_SECONDS = 10
"""How long all these questions to a server, or to a database elsewhere, may take together."""


def runs_of(uri: str, ui_url: str, dagster_run_ids: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    """Dagster run id -> name and URL of the MLflow runs that `TrackerResource.record` made for it; changes nothing.

    Raises:
        TrackingError: When the server or the database cannot be read, or not within `READ_SECONDS`.
    """
    from mlflow import MlflowClient

    from twig_assets.tracking.failures import failures

    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        return {}

    def search() -> dict[str, list[Any]]:
        client = MlflowClient(uri)
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        return {
            run_id: client.search_runs(experiments, f"tags.`dagster/run_id` = '{run_id}'", order_by=["start_time"])
            for run_id in dagster_run_ids
        }

    try:
        runs_by_id = search() if uri.startswith("sqlite:") else answer_within(READ_SECONDS, search)
    except failures() as error:
        raise TrackingError(hidden(f"MLflow at {uri} cannot be read: {error}")) from error
    return {
        run_id: [
            (run.info.run_name or "", f"{ui_url}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}")
            for run in runs
        ]
        for run_id, runs in runs_by_id.items()
    }
