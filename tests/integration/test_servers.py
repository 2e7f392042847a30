"""A whole campaign with everything on servers, by `deploy/settings.env`: PostgreSQL, and one that speaks S3.

`make test-postgresql` runs all integration tests with the catalog and Dagster's instance on PostgreSQL.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import make_url

from tests.integration.conftest import ALL_FAIL, ROOT, CampaignWorkspace, Ended, Workspaces, idle_assets
from tests.integration.test_sensors import daemon
from twig_assets.sensors import ssim_violations

DATABASES = ("TWIG_CATALOG_URL", "TWIG_DAGSTER_URL", "MLFLOW_TRACKING_URI")
KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """A client of a server that speaks S3, with the empty bucket `twig`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="twig")
    yield client
    server.stop()


@pytest.fixture(scope="module")
def on_servers(
    tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path, postgres: Callable[[], str], s3: Any
) -> CampaignWorkspace:
    """A campaign and the settings of the example, with the servers of this test in the place of those that it names."""
    folder = tmp_path_factory.mktemp("servers")
    lines = (ROOT / "deploy" / "settings.env").read_text().splitlines()
    variables = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    for name in DATABASES:
        driver = make_url(variables[name]).drivername
        variables[name] = make_url(postgres()).set(drivername=driver).render_as_string(hide_password=False)
    places = {"/var/lib/twig": str(folder / "home"), "/srv/campaigns": str(folder / "campaigns"), "BUCKET": "twig"}
    for name, value in variables.items():
        for example, place in places.items():
            value = value.replace(example, place)
        variables[name] = value
    variables |= {"AWS_ENDPOINT_URL": s3.meta.endpoint_url, **KEYS}
    workspace = replace(Workspaces(empty_mlflow).new(folder), server_url="", variables=variables)
    (workspace.home / "mlflow.db").unlink()
    return replace(workspace, server_url=variables["TWIG_CATALOG_URL"])


def test_a_campaign_is_run_run_again_and_withdrawn_as_on_one_machine(
    on_servers: CampaignWorkspace, first_run: tuple[CampaignWorkspace, Ended], s3: Any
) -> None:
    ended = on_servers.run()
    assert ended.code == 0, ended.text
    assert "MLflow does not answer" not in ended.text
    assert [image[1:] for image in on_servers.images()] == [image[1:] for image in first_run[0].images()]
    assert on_servers.verdicts() == first_run[0].verdicts()
    assert sorted(on_servers.released().values()) == sorted(first_run[0].released().values())
    kept = [entry["Key"] for entry in s3.list_objects_v2(Bucket="twig")["Contents"]]
    for image in on_servers.images():
        assert f"artifacts/{image[-1][:2]}/{image[-1]}.png" in kept
    for beginning in ("mlflow/", "reports/tiny/report-", "reports/tiny/report.html", "ledger-heads/head-"):
        assert any(key.startswith(beginning) for key in kept), beginning
    again = on_servers.run()
    assert {"generated_images", "masks", "regenerated_images", "similarity_audits"} <= idle_assets(again.text)
    assert on_servers.twig("verify").code == 0
    on_servers.write("policy.yaml", ALL_FAIL)
    with daemon(on_servers) as ticks:
        asked = ticks.tick(ssim_violations)
        assert [request.partition_key for request in asked.run_requests] == ["tiny-000"]
        assert on_servers.released() == {}
        assert ticks.run("draw_batch", "tiny-000").success, "the budget is spent, and what fails is quarantined"
        runs = ticks.instance.get_runs(dg.RunsFilter(tags={"dagster/partition": "tiny-000"}))
        assert len(runs) == 3
    own = {path.relative_to(on_servers.home).parts[0] for path in on_servers.home.rglob("*") if path.is_file()}
    assert not own & {"catalog.db", "mlflow.db", "artifacts", "mlflow-artifacts"}, "nothing went into a file beside"
    assert not list(on_servers.home.glob("dagster/storage/**/*.db"))
