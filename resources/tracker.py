"""The MLflow tracker: a run for every materialization that has figures to keep."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import numpy as np
from pydantic import PrivateAttr

from twig_assets.tracking import Record, Sender, Spool
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
            The URL of the MLflow run; or, when MLflow does not answer, a sentence that says so.

        Raises:
            SpoolError: When the figures can be neither sent nor kept.
        """
        key = context.asset_key.to_user_string()
        partition = context.partition_key if context.has_partition_key else ""
        url = self.sender().send_or_keep(
            Record(
                experiment=experiment,
                name=f"{key} {partition}".strip(),
                params=params or {},
                tags={"dagster/run_id": context.run.run_id, "dagster/asset": key, "dagster/partition": partition},
                metrics={name: float(value) for name, value in metrics.items()},
                pictures={file: png(picture) for file, picture in (pictures or {}).items()},
                curves={name: tuple(map(float, values)) for name, values in (curves or {}).items()},
                edit=edit,
            )
        )
        if url:
            return dg.MetadataValue.url(url)
        message = "MLflow does not answer now; the figures are kept, and sent by the next run or by `twig track`"
        context.log.warning(message)
        return dg.MetadataValue.text(message)

    def sender(self) -> Sender:
        """The sender, opened once."""
        if self._sender is None:
            self._sender = Sender(self.uri, self.artifacts, self.ui_url, Spool(Path(self.spool)))
        return self._sender
