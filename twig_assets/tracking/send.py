"""Sending records to MLflow without ever making the work wait for it for long."""

import io
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from PIL import Image

from twig_assets.tracking.failures import failures
from twig_assets.tracking.record import KEY_TAG, Record, RecordedEdit
from twig_assets.tracking.spool import Spool, SpoolError

# MLflow's defaults are two minutes and seven retries, during which a run would stand still. What fails is sent later.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

REST_SECONDS = 60
"""How long nothing is sent after a failure, or after a record that took longer than SLOW_SECONDS."""

SLOW_SECONDS = 10

EDIT_FILE = "edit.safetensors"
ACCEPTED = "accepted"
# MLflow takes a thousand metrics at once.
_BATCH = 1000

# Tracking URI -> when to try again. Dagster makes new resources for every run, so they cannot hold it.
_resting: dict[str, float] = {}


class TrackingError(RuntimeError):
    """MLflow's records can be neither read nor written; the message names the server or database."""


@dataclass
class Sender:
    """Sends to one MLflow server or database.

    Attributes:
        uri: Of the server or database.
        artifacts: Folder or URL for pictures when `uri` is a database; a server keeps its own.
        ui_url: Where people open MLflow, for links.
        spool: Where records wait that could not be sent.
    """

    uri: str
    artifacts: str
    ui_url: str
    spool: Spool
    _client: MlflowClient | None = None

    def send_or_keep(self, record: Record) -> str:
        """Send a record, and before it those that wait; keep it if that does not work.

        Returns:
            The URL of the MLflow run; empty when the record was kept.

        Raises:
            SpoolError: When it can be neither sent nor kept.
        """
        if time.monotonic() < _resting.get(self.uri, 0):
            self.spool.keep(record)
            return ""
        try:
            if self.spool.waiting():
                self.send_waiting()
            return self.send(record)
        except TrackingError:
            self.spool.keep(record)
            return ""

    def send_waiting(self) -> tuple[int, list[str]]:
        """Send what waits, the oldest first; another process that does so already is left to it.

        Returns:
            How many records were sent, and for each that is refused, why; these stay where they are.

        Raises:
            TrackingError: When MLflow does not answer; what was sent until then is sent.
        """
        sent, refused = 0, []
        with self.spool.claimed() as alone:
            for path in self.spool.waiting() if alone else []:
                try:
                    self.send(self.spool.read(path), again=True)
                except (SpoolError, RefusedError) as error:
                    refused.append(f"{path.name}: {error}")
                    continue
                path.unlink(missing_ok=True)
                sent += 1
        return sent, refused

    def send(self, record: Record, again: bool = False) -> str:
        """Send a record.

        Args:
            record: What to send.
            again: Whether it may have been sent before, perhaps in part; it makes one MLflow run all the same.

        Returns:
            The URL of the MLflow run.

        Raises:
            RefusedError: When MLflow answers that it does not take this record.
            TrackingError: When it does not answer.
        """
        started = time.monotonic()
        try:
            url = self._send(record, again)
        except failures() as error:
            if isinstance(error, MlflowException) and 400 <= error.get_http_status_code() < 500:
                raise RefusedError(f"MLflow at {self.uri} refuses it: {error}") from error
            _resting[self.uri] = time.monotonic() + REST_SECONDS
            raise TrackingError(f"MLflow at {self.uri} does not answer: {error}") from error
        if time.monotonic() - started > SLOW_SECONDS:
            _resting[self.uri] = time.monotonic() + REST_SECONDS
        return url

    def _send(self, record: Record, again: bool) -> str:
        self._client = client = self._client or MlflowClient(self.uri)
        experiment = self._experiment(client, record.experiment)
        earlier = client.search_runs([experiment], f"tags.`{KEY_TAG}` = '{record.key}'") if again else []
        tags = {**record.tags, KEY_TAG: record.key}
        run = earlier[0] if earlier else client.create_run(experiment, record.made_at, tags, record.name)
        run_id = run.info.run_id
        metrics = [Metric(key, value, record.made_at, 0) for key, value in record.metrics.items()]
        client.log_batch(run_id, metrics, [Param(*pair) for pair in record.params.items()])
        for file, content in record.pictures.items():
            client.log_image(run_id, Image.open(io.BytesIO(content)), artifact_file=file)
        for curve, values in record.curves.items():
            steps = [Metric(curve, value, record.made_at, step) for step, value in enumerate(values, 1)]
            for at in range(0, len(steps), _BATCH):
                client.log_batch(run_id, steps[at : at + _BATCH])
        if record.edit:
            _register(client, run_id, record.edit)
        client.set_terminated(run_id)
        return f"{self.ui_url}/#/experiments/{experiment}/runs/{run_id}"

    def _experiment(self, client: MlflowClient, name: str) -> str:
        if experiment := client.get_experiment_by_name(name):
            return str(experiment.experiment_id)
        place = self.artifacts if "://" in self.artifacts else Path(self.artifacts).absolute().as_uri()
        location = None if self.uri.startswith("http") else place
        return str(client.create_experiment(name, artifact_location=location))


def _register(client: MlflowClient, run_id: str, edit: RecordedEdit) -> None:
    """Log the edit's file and make it a version of its model, unless a sending that was cut off has done so."""
    if not client.search_registered_models(f"name = '{edit.model}'"):
        client.create_registered_model(edit.model)
    versions = client.search_model_versions(f"name = '{edit.model}' and run_id = '{run_id}'")
    if versions:
        version = versions[0].version
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / EDIT_FILE
            path.write_bytes(edit.content)
            client.log_artifact(run_id, str(path))
        source = f"{client.get_run(run_id).info.artifact_uri}/{EDIT_FILE}"
        tags = {ACCEPTED: str(edit.accepted).lower()}
        version = client.create_model_version(edit.model, source, run_id, tags=tags).version
    if edit.accepted:
        client.set_registered_model_alias(edit.model, ACCEPTED, version)


class RefusedError(TrackingError):
    """MLflow answers, and does not take a record."""
