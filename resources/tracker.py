"""The MLflow tracker: a run for every materialization that has figures to keep."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import dagster as dg
import numpy as np
from pydantic import PrivateAttr

from twig_assets.tracking import Record, Sender, Spool
from twig_assets.tracking.record import RecordedEdit, png

# MLflow shows this tag at the top of a run's page, as Markdown.
_DESCRIPTION = "mlflow.note.content"
# MLflow takes tags of 5000 characters and more, by version.
_LONGEST = 4500


class TrackerResource(dg.ConfigurableResource):
    """Sends figures and pictures to MLflow; what it does not take is kept and sent later.

    Attributes:
        uri: Tracking server or database.
        artifacts: Folder or URL for the pictures when `uri` is a database; a server keeps its own.
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
        captions: Sequence[str] = (),
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
            captions: What the pictures show, in order, row by row.

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
                tags={
                    "dagster/run_id": context.run.run_id,
                    "dagster/asset": key,
                    "dagster/partition": partition,
                    _DESCRIPTION: _description(key, partition, pictures or {}, captions),
                },
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


def _description(key: str, partition: str, pictures: Iterable[str], captions: Sequence[str]) -> str:
    """What a run is and what its figures count, for whoever opens it in MLflow, as Markdown."""
    text = f"{_plain(f'{key} {partition}'.strip())}: figures are means or counts over the images of this run.\n\n"
    if files := ", ".join(f"`{file}`" for file in pictures):
        text += f"Pictures, under Artifacts: {files}.\n\n"
    for number, caption in enumerate(captions, start=1):
        line = f"{number}. {_plain(caption)}\n"
        if len(text) + len(line) > _LONGEST:
            return f"{text}\nand {len(captions) - number + 1} more"
        text += line
    return text.strip()


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(f"\\{char}" if char in r"\`*_{}[]()#+-.!|<>~" else char for char in " ".join(text.split()))
