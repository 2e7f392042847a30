"""The parts of the campaign benchmarks, on a few rows."""

from pathlib import Path

import pytest

from twig_assets.bench.campaigns.overhead import clocked
from twig_assets.bench.campaigns.unchanged_batches import TICKS, GuardedModels, many_batches, opened
from twig_assets.bench.campaigns.workspace import NAME, Workspace, materialize
from twig_assets.sensors.jobs import BATCH_ASSETS


@pytest.fixture
def many(tmp_path: Path, empty_mlflow: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    workspace.home.mkdir()
    (workspace.home / "mlflow.db").write_bytes(empty_mlflow.read_bytes())
    return workspace


def test_inserted_rows_are_complete_for_the_sensor_and_the_assets(many: Workspace) -> None:
    tick, again = many_batches(many, 2, 1)
    assert (tick["audited_images"], len(tick["seconds"])) == (200, TICKS)
    assert (again["batches"], again["models_opened"], again["made"]) == (1, 0, 0)
    (many.campaign / "campaign.yaml").write_text("title: Many\nbatch_size: 50\ngeneration: {steps: 2}\n")
    with many.entered() as location, pytest.raises(AssertionError, match="a model was asked for"):
        materialize(location, BATCH_ASSETS, f"{NAME}-000", models=GuardedModels())
    assert opened, "what is counted can happen"


def test_every_function_whose_time_is_measured_exists() -> None:
    clock: dict[str, float] = {}
    with clocked(clock):
        assert set(clock) == {"models", "comparison", "mlflow", "store", "catalog"}
