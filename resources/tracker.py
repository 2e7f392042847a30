"""The MLflow tracker: a run for every materialization that has figures to keep."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import numpy as np
from pydantic import Field, PrivateAttr

from twig_assets.escaping import plain_markdown
from twig_assets.tracking import Record, Sender, Spool
from twig_assets.tracking.record import RecordedEdit, png

_SERVER = ("http://", "https://")
# MLflow takes tags of 5000 characters and more, by version.
_LONGEST = 4000


class TrackerResource(dg.ConfigurableResource):
    """Sends figures and pictures to MLflow; what it does not take is kept and sent later.

    Attributes:
        uri: Tracking server or database; it may hold a password.
        artifacts: Folder or URL for the pictures when `uri` is a database; a server keeps its own.
        ui_url: Where people open MLflow, for links.
        spool: Folder of what waits to be sent.
    """

    uri: str = Field(repr=False)
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
        captions: Sequence[str] = (),
        each: str = "",
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
            captions: What stands under each number of the pictures, in order.
            each: What the pictures under one number are, from left to right.

        Returns:
            Where the MLflow run is found; or, when MLflow does not answer, a sentence that says so.

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
                tags={
                    "dagster/run_id": context.run.run_id,
                    "dagster/asset": key,
                    "dagster/partition": partition,
                },
                description=_description(key, partition, bool(pictures), captions, each),
                metrics={name: float(value) for name, value in metrics.items()},
                pictures={file: png(picture) for file, picture in (pictures or {}).items()},
                curves={name: tuple(map(float, values)) for name, values in (curves or {}).items()},
                edit=edit,
            )
        )
        if url and self.uri.startswith(_SERVER):
            return dg.MetadataValue.url(url)
        if url:
            # The server of `twig ui` runs now and then, on one port or another; Dagster would keep the link for ever.
            run = url.rpartition("/")[2]
            return dg.MetadataValue.text(f"run {run} of the experiment {experiment}, in MLflow, which `twig ui` opens")
        message = "MLflow does not answer now; the figures are kept, and sent by the next run or by `twig track`"
        context.log.warning(message)
        return dg.MetadataValue.text(message)

    def sender(self) -> Sender:
        """The sender, opened once."""
        if self._sender is None:
            self._sender = Sender(self.uri, self.artifacts, self.ui_url, Spool(Path(self.spool)))
        return self._sender


def _description(key: str, partition: str, pictures: bool, captions: Sequence[str], each: str) -> str:
    """What a run is and what its figures count, for whoever opens it in MLflow, as Markdown."""
    counted = "Every figure is a count of images, or a mean, a percentile or the highest value over images"
    of_what = plain_markdown(f"{key} {partition}".strip())
    text = f"{of_what}. {counted}, not over rows of the catalog, and of this run only.\n\n"
    if pictures and each:
        text += f"Under each number: {plain_markdown(each)}.\n\n"
    for number, caption in enumerate(captions, start=1):
        line = f"{number}. {plain_markdown(caption)}\n"
        if len(text) + len(line) > _LONGEST:
            return f"{text}\nand {len(captions) - number + 1} more"
        text += line
    return text.strip()
