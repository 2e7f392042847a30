"""The MLflow tracker: a run for every materialization that has figures to keep."""

from collections.abc import Iterable
from pathlib import Path

import dagster as dg
import numpy as np
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from PIL import Image
from pydantic import PrivateAttr
from sqlalchemy.exc import SQLAlchemyError


class TrackerResource(dg.ConfigurableResource):
    """Sends figures and pictures to MLflow.

    Attributes:
        uri: Tracking server or database.
        artifacts: Folder for the pictures when `uri` is a database; a server keeps its own.
        ui_url: Where people open MLflow, for links.
    """

    uri: str
    artifacts: str
    ui_url: str
    _client: MlflowClient | None = PrivateAttr(default=None)

    def record(
        self,
        context: dg.AssetExecutionContext,
        experiment: str,
        metrics: dict[str, float],
        params: dict[str, str] | None = None,
        pictures: dict[str, np.ndarray] | None = None,
    ) -> str:
        """Keep the figures of one materialization.

        Args:
            context: Of the asset; its run, asset key and partition become tags.
            experiment: Name of the MLflow experiment.
            metrics: Figures by name.
            params: Settings by name.
            pictures: File name -> uint8 array (H, W, 3).

        Returns:
            The URL of the MLflow run.
        """
        client = self._open()
        key = context.asset_key.to_user_string()
        partition = context.partition_key if context.has_partition_key else ""
        tags = {"dagster/run_id": context.run.run_id, "dagster/asset": key, "dagster/partition": partition}
        name = f"{key} {partition}".strip()
        experiment_id = self._experiment(client, experiment)
        run_id = client.create_run(experiment_id, run_name=name, tags=tags).info.run_id
        for metric, value in metrics.items():
            client.log_metric(run_id, metric, float(value))
        for param, text in (params or {}).items():
            client.log_param(run_id, param, text)
        for file, picture in (pictures or {}).items():
            client.log_image(run_id, Image.fromarray(picture), artifact_file=file)
        client.set_terminated(run_id)
        return f"{self.ui_url}/#/experiments/{experiment_id}/runs/{run_id}"

    def _open(self) -> MlflowClient:
        if self._client is None:
            self._client = MlflowClient(self.uri)
        return self._client

    def _experiment(self, client: MlflowClient, name: str) -> str:
        found = client.get_experiment_by_name(name)
        if found:
            return found.experiment_id
        local = self.uri.startswith("sqlite")
        location = Path(self.artifacts).absolute().as_uri() if local else None
        return client.create_experiment(name, artifact_location=location)


class TrackingError(RuntimeError):
    """MLflow's records cannot be read."""


def runs_of(uri: str, ui_url: str, dagster_run_ids: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    """Dagster run id -> name and URL of the MLflow runs that `TrackerResource.record` made for it; changes nothing.

    Raises:
        TrackingError: When the server or the database cannot be read.
    """
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        return {}
    try:
        client = MlflowClient(uri)
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        found = {
            run_id: client.search_runs(experiments, f"tags.`dagster/run_id` = '{run_id}'", order_by=["start_time"])
            for run_id in dagster_run_ids
        }
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise TrackingError(f"MLflow at {uri} cannot be read: {error}") from error
    return {
        run_id: [
            (run.info.run_name or "", f"{ui_url}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}")
            for run in runs
        ]
        for run_id, runs in found.items()
    }
