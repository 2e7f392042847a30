"""The same on PostgreSQL, with the catalog and Dagster's instance in one database there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
import yaml
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from sensors import ssim_violations
from tests.integration.conftest import ALL_FAIL, Ended, Place, idle_assets, new_place
from tests.integration.test_sensors import daemon
from twig_assets.catalog.database import open_catalog


@dataclass(frozen=True)
class PostgresPlace(Place):
    """A place whose rows are all on a server.

    Attributes:
        url: Of the database.
    """

    url: str = ""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "TWIG_CATALOG_URL": self.url, "DAGSTER_HOME": str(self.home)}

    @contextmanager
    def catalog(self) -> Iterator[Session]:
        catalog = open_catalog(self.url)
        with catalog.session() as session:
            yield session
        catalog.close()


@pytest.fixture
def on_postgres(tmp_path: Path, empty_mlflow: Path, postgres: Callable[[], str]) -> PostgresPlace:
    plain = new_place(tmp_path, empty_mlflow)
    place = PostgresPlace(plain.root, plain.home, postgres())
    server = make_url(place.url).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
    instance = {"storage": {"postgres": {"postgres_url": server}}, "telemetry": {"enabled": False}}
    (place.home / "dagster.yaml").write_text(yaml.safe_dump(instance))
    return place


def test_a_campaign_is_run_run_again_and_withdrawn_as_on_sqlite(
    on_postgres: PostgresPlace, first_run: tuple[Place, Ended]
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
