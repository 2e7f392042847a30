"""The parts of the campaign benchmarks, on a few rows."""

from pathlib import Path

import pytest

from tests.integration.conftest import CampaignWorkspace, Ended
from twig_assets.bench.campaigns.end_to_end.asked import Asked
from twig_assets.bench.campaigns.end_to_end.judging import rows
from twig_assets.bench.campaigns.end_to_end.outcomes import read_outcomes
from twig_assets.bench.campaigns.overhead import TIMED, clocked
from twig_assets.bench.campaigns.ticks import TICKS
from twig_assets.bench.campaigns.unchanged_batches import GuardedModels, many_batches, opened
from twig_assets.bench.campaigns.workspace import NAME, Workspace, materialize
from twig_assets.campaign import load_campaign
from twig_assets.catalog.store import ArtifactStore
from twig_assets.prompts import read_prompts
from twig_assets.sensors.jobs import BATCH_ASSETS
from twig_assets.settings.home import artifact_root


@pytest.fixture
def many(tmp_path: Path, empty_mlflow: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    workspace.home.mkdir()
    (workspace.home / "mlflow.db").write_bytes(empty_mlflow.read_bytes())
    return workspace


def test_inserted_rows_are_complete_for_the_sensor_and_the_assets(many: Workspace) -> None:
    tick, again = many_batches(many, 2, 1, campaigns=2)
    assert (tick["campaigns"], tick["audited_images"], len(tick["seconds"])) == (2, 400, TICKS)
    assert (again["batches"], again["models_opened"], again["made"]) == (1, 0, 0)
    (many.campaign / "campaign.yaml").write_text("title: Many\nbatch_size: 50\ngeneration: {steps: 2}\n")
    with many.entered() as location, pytest.raises(AssertionError, match="a model was asked for"):
        materialize(location, BATCH_ASSETS, f"{NAME}-000", models=GuardedModels())
    assert opened, "what is counted can happen"


def test_every_function_whose_time_is_measured_exists_and_is_one_that_works() -> None:
    clock: dict[str, float] = {}
    with clocked(clock):
        assert set(clock) == {"models", "comparison", "mlflow", "store", "catalog"}
    assert [name for owner, name, _ in TIMED if getattr(getattr(owner, name), "__isabstractmethod__", False)] == []


def test_what_came_of_every_prompt_is_read_and_judged(first_run: tuple[CampaignWorkspace, Ended]) -> None:
    workspace, _ = first_run
    asked = [Asked("ordinary", row.text, row.seed, ("owl",), "plain") for row in read_prompts(workspace.campaign)]
    with workspace.in_environment():
        campaign, store = load_campaign(workspace.name, workspace.root), ArtifactStore(artifact_root())
        outcomes = read_outcomes(campaign, asked)
        published = sorted(store.read_image(sha256).tobytes() for sha256 in workspace.released().values())
        with pytest.raises(ValueError, match="other prompts"):
            read_outcomes(campaign, asked[::-1])
    assert published == sorted(outcome.released.tobytes() for outcome in outcomes if outcome.released is not None)
    assert [outcome.asked.text for outcome in outcomes] == [row.text for row in read_prompts(workspace.campaign)]
    judged = rows(outcomes)
    assert sum(row["attempts"] for row in judged) == len({i[:3] for i in workspace.images() if i[1] == "regenerated"})
    for outcome, row in zip(outcomes, judged, strict=True):
        assert row["released"] is (outcome.released is not None) is (outcome.reason == "")
        assert row["as_asked"] == (row["named"] == "owl")
        assert (row["plain_copy"], row["copy"]) == (False, False), "two steps draw nothing that could be a copy"
