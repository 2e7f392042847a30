"""A whole campaign on PostgreSQL, with the catalog and Dagster's instance in one database there.

`make test-postgresql` runs all integration tests so.
"""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from tests.integration.conftest import ALL_FAIL, CampaignWorkspace, Ended, Workspaces, idle_assets
from tests.integration.test_sensors import daemon
from twig_assets.sensors import ssim_violations


@pytest.fixture
def on_postgres(tmp_path: Path, empty_mlflow: Path, postgres: Callable[[str], str]) -> CampaignWorkspace:
    return Workspaces(empty_mlflow, postgres).new(tmp_path)


def test_a_campaign_is_run_run_again_and_withdrawn_as_on_sqlite(
    on_postgres: CampaignWorkspace, first_run: tuple[CampaignWorkspace, Ended]
) -> None:
    ended = on_postgres.run()
    assert ended.code == 0, ended.text
    assert [image[1:] for image in on_postgres.images()] == [image[1:] for image in first_run[0].images()]
    assert on_postgres.verdicts() == first_run[0].verdicts()
    assert sorted(on_postgres.released().values()) == sorted(first_run[0].released().values())
    again = on_postgres.run()
    assert {"generated_images", "masks", "regenerated_images", "similarity_audits"} <= idle_assets(again.text)
    assert on_postgres.twig("verify").code == 0
    on_postgres.write("policy.yaml", ALL_FAIL)
    with daemon(on_postgres) as ticks:
        asked = ticks.tick(ssim_violations)
        assert [request.partition_key for request in asked.run_requests] == ["tiny-000"]
        assert on_postgres.released() == {}
        assert ticks.run("draw_batch", "tiny-000").success, "the budget is spent, and what fails is quarantined"
        runs = ticks.instance.get_runs(dg.RunsFilter(tags={"dagster/partition": "tiny-000"}))
        assert len(runs) == 3
    assert not list(on_postgres.home.glob("**/catalog.db")), "nothing went into a file beside"
