"""A record as a run of MLflow. This module loads MLflow; nothing imports it before there is something to send."""

import io
import tempfile
from pathlib import Path
from urllib.parse import urlencode

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from PIL import Image

from twig_assets.tracking.record import KEY_TAG, Record, RecordedEdit

# MLflow shows this tag at the top of a run's page, as Markdown.
_DESCRIPTION = "mlflow.note.content"
EDIT_FILE = "edit.safetensors"
ACCEPTED = "accepted"
# MLflow takes a thousand metrics at once.
_BATCH = 1000


def is_refusal(error: Exception) -> bool:
    """Whether MLflow answered, and does not take what it was sent."""
    return isinstance(error, MlflowException) and 400 <= error.get_http_status_code() < 500


def write_run(client: MlflowClient, record: Record, artifacts: str | None, again: bool) -> tuple[str, str]:
    """Make a record's run, or complete it.

    Args:
        client: Of the server or database.
        record: What to write.
        artifacts: URI of the folder for a new experiment's pictures; None leaves it to the server.
        again: Whether it may have been sent before, perhaps in part; it makes one MLflow run all the same.

    Returns:
        The ids of the experiment and of the run.

    Raises:
        Exception: One of `failures()`.
    """
    experiment = _experiment(client, record.experiment, artifacts)
    earlier = client.search_runs([experiment], f"tags.`{KEY_TAG}` = '{record.key}'") if again else []
    tags = {**record.tags, KEY_TAG: record.key}
    run = earlier[0] if earlier else client.create_run(experiment, record.made_at, tags, record.name)
    run_id = run.info.run_id
    metrics = [Metric(key, value, record.made_at, 0) for key, value in record.metrics.items()]
    client.log_batch(run_id, metrics, [Param(*pair) for pair in record.params.items()])
    for file, content in record.pictures.items():
        client.log_image(run_id, Image.open(io.BytesIO(content)), artifact_file=file)
    if description := _described(record, run_id):
        client.set_tag(run_id, _DESCRIPTION, description)
    for curve, values in record.curves.items():
        steps = [Metric(curve, value, record.made_at, step) for step, value in enumerate(values, 1)]
        for at in range(0, len(steps), _BATCH):
            client.log_batch(run_id, steps[at : at + _BATCH])
    if record.edit:
        _register(client, run_id, record.edit)
    client.set_terminated(run_id)
    return experiment, run_id


def _experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    if experiment := client.get_experiment_by_name(name):
        return str(experiment.experiment_id)
    return str(client.create_experiment(name, artifact_location=artifacts))


def _described(record: Record, run_id: str) -> str:
    """The description of a run with its pictures in it, which MLflow's page serves under an address of its own."""
    addresses = [f"get-artifact?{urlencode({'path': file, 'run_uuid': run_id})}" for file in record.pictures]
    return "\n\n".join([*(f"![]({address})" for address in addresses), *filter(None, [record.description])])


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
