"""The MLflow tracker: a run for every materialization that has figures to keep."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import dagster as dg
import numpy as np
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from pydantic import PrivateAttr
from sqlalchemy.exc import SQLAlchemyError

from twig_assets.tracking import Record, Sender, Spool, TrackingError
from twig_assets.tracking.record import RecordedEdit, png


class TrackerResource(dg.ConfigurableResource):
    """Sends figures and pictures to MLflow; what it does not take is kept and sent later.

    Attributes:
        uri: Tracking server or database.
        artifacts: Folder for the pictures when `uri` is a database; a server keeps its own.
        ui_url: Where people open MLflow, for links.
        spool: Folder of what waits to be sent.
    """

    uri: str
    artifacts: str
    ui_url: str
    spool: str
    _sender: Sender | None = PrivateAttr(default=None)

    def record(
        self,
        context: dg.AssetExecutionContext,
        experiment: str,
        metrics: dict[str, float],
        params: dict[str, str] | None = None,
        pictures: dict[str, np.ndarray] | None = None,
        curves: dict[str, Sequence[float]] | None = None,
        edit: RecordedEdit | None = None,
    ) -> dg.MetadataValue:
        """Keep the figures of one materialization.

        Args:
            context: Of the asset; its run, asset key and partition become tags.
            experiment: Name of the MLflow experiment.
            metrics: Figures by name.
            params: Settings by name.
            pictures: File name -> uint8 array (H, W, 3).
            curves: Name -> its value after each step.
            edit: Registered as a new version of its model.

        Returns:
            The URL of the MLflow run; or, when MLflow does not answer, a word on that.

        Raises:
            SpoolError: When the figures can be neither sent nor kept.
        """
        key = context.asset_key.to_user_string()
        partition = context.partition_key if context.has_partition_key else ""
        url = self.sender().send_or_keep(Record(
            experiment=experiment, name=f"{key} {partition}".strip(), params=params or {},
            tags={"dagster/run_id": context.run.run_id, "dagster/asset": key, "dagster/partition": partition},
            metrics={name: float(value) for name, value in metrics.items()},
            pictures={file: png(picture) for file, picture in (pictures or {}).items()},
            curves={name: tuple(map(float, values)) for name, values in (curves or {}).items()}, edit=edit,
        ))  # fmt: skip
        if url:
            return dg.MetadataValue.url(url)
        said = "MLflow does not take the figures now; they are kept, and sent by a later run or by `twig track`"
        context.log.warning(said)
        return dg.MetadataValue.text(said)

    def sender(self) -> Sender:
        """What sends, opened once."""
        if self._sender is None:
            self._sender = Sender(self.uri, self.artifacts, self.ui_url, Spool(Path(self.spool)))
        return self._sender


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
