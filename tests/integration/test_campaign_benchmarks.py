"""The parts of the campaign benchmarks, on a few rows."""

from pathlib import Path

import pytest

from twig_assets.bench.campaigns import orchestration
from twig_assets.bench.campaigns.orchestration import BATCH_ASSETS, GuardedModels, clocked, many_batches
from twig_assets.bench.campaigns.workspace import NAME, Workspace, materialize


@pytest.fixture
def many(tmp_path: Path, empty_mlflow: Path) -> Workspace:
    place = Workspace(tmp_path)
    place.home.mkdir()
    (place.home / "mlflow.db").write_bytes(empty_mlflow.read_bytes())
    return place


def test_rows_that_were_put_there_are_complete_for_the_sensor_and_the_assets(many: Workspace) -> None:
    tick, again = many_batches(many, 2, 1)
    assert (tick["audited_images"], len(tick["seconds"])) == (200, orchestration.TICKS)
    assert (again["batches"], again["models_opened"], again["made"]) == (1, 0, 0)
    (many.campaign / "campaign.yaml").write_text("title: Many\nbatch_size: 50\ngeneration: {steps: 2}\n")
    with many.entered() as found, pytest.raises(AssertionError, match="a model was asked for"):
        materialize(found, BATCH_ASSETS, f"{NAME}-000", models=GuardedModels())
    assert orchestration._asks, "what is counted can happen"


def test_everything_whose_time_is_taken_is_there_to_be_timed() -> None:
    clock: dict[str, float] = {}
    with clocked(clock):
        assert set(clock) == {"models", "comparison", "mlflow", "store", "catalog"}
