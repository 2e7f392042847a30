"""A campaign is finished whether or not MLflow is there; its figures get there in the end."""

import pytest
from mlflow import MlflowClient

from tests.integration.conftest import PROMPTS, CampaignWorkspace
from twig_assets.tracking import Spool, send


def test_without_mlflow_a_run_is_finished_and_its_figures_are_sent_later(
    finished: CampaignWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient(f"sqlite:///{finished.home / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    before = {run.info.run_id for run in client.search_runs(experiments)}
    finished.write("prompts.yaml", [*PROMPTS, "a yellow boat"])
    monkeypatch.setattr(send, "REST_SECONDS", 0)
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
        ended = finished.run()
        assert ended.code == 0, ended.text
        assert "4 still wait in" in ended.text
        asked = finished.twig("track")
        assert asked.code == 1
        assert "MLflow at http://127.0.0.1:1 does not answer" in asked.text
    waiting = Spool(finished.home / "mlflow-waiting").waiting()
    assert len(waiting) == 4
    ended = finished.twig("track")
    assert (ended.code, "4 sent that had waited" in ended.text) == (0, True), ended.text
    new = [run for run in client.search_runs(experiments) if run.info.run_id not in before]
    assert sorted(run.data.tags["dagster/asset"] for run in new) == [
        "generated_images",
        "masks",
        "regenerated_images",
        "similarity_audits",
    ]
    assert {run.data.tags["dagster/partition"] for run in new} == {"tiny-001"}
    assert all(run.data.metrics for run in new)
