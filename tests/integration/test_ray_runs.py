"""Runs as jobs of a Ray cluster, started by the launcher that `TWIG_EXECUTION=ray` names."""

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.launcher import LaunchRunContext
from dagster._core.launcher.base import WorkerStatus
from PIL import Image
from sqlalchemy import make_url, select

from tests.integration.conftest import ROOT, CampaignWorkspace, Workspaces
from tests.unit.compliance.audited_campaign import noise
from twig_assets.bench.audit.ray_nodes import ray_nodes
from twig_assets.bench.campaigns.workspace import materialize
from twig_assets.catalog.models import Reference
from twig_assets.orchestration.dagster_home import prepare_dagster_home
from twig_assets.run_launcher.liveness import CLAIMED_IN

pytestmark = pytest.mark.skipif(find_spec("dagster_ray") is None, reason="pip install -e '.[ray]'")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def launched(instance: dg.DagsterInstance, job: str, partition: str) -> str:
    """Have the instance's launcher start a run, and return its id."""
    origin = ReconstructableRepository.for_module("twig_assets.definitions", "defs", str(ROOT))
    found = origin.get_reconstructable_job(job)
    run = instance.create_run_for_job(
        found.get_definition(), tags={"dagster/partition": partition}, job_code_origin=found.get_python_origin()
    )
    deadline = time.monotonic() + 120
    while True:
        try:
            instance.run_launcher.launch_run(LaunchRunContext(run, None))
            return run.run_id
        except RuntimeError as error:
            # A cluster takes jobs a while after it has started.
            if "No available agent" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def run_when(
    instance: dg.DagsterInstance, run_id: str, condition: Callable[[dg.DagsterRun], bool], seconds: int = 600
) -> dg.DagsterRun:
    """The run as it is when something is true of it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        if condition(run):
            return run
        time.sleep(0.1)
    raise TimeoutError(f"{run.status}: {instance.run_launcher.get_run_worker_debug_info(run)}")


@pytest.fixture(scope="module")
def at_a_port(
    recomposed: CampaignWorkspace,
    workspaces: Workspaces,
    postgres: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[CampaignWorkspace, dg.DagsterInstance, int]]:
    """A workspace whose runs are jobs of a Ray cluster, Dagster's instance there, and the port that takes jobs."""
    port = free_port()
    dagster = make_url(postgres()).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
    workspace = workspaces.copy(recomposed, tmp_path_factory.mktemp("on ray") / "copy")
    variables = {
        "TWIG_EXECUTION": "ray",
        "TWIG_RAY_JOBS": f"http://127.0.0.1:{port}",
        "TWIG_DAGSTER_URL": dagster,
        "TWIG_CAMPAIGNS": str(workspace.root),
        "TWIG_CAMPAIGN": "",
        "TWIG_WORKERS": "2",
    }
    workspace = replace(workspace, variables=variables)
    # Nodes have the settings in their own environment; nothing is sent along with a job.
    with workspace.in_environment():
        prepare_dagster_home()
        with dg.DagsterInstance.get() as instance:
            instance.add_dynamic_partitions("campaigns", ["tiny"])
            instance.add_dynamic_partitions("prompt_batches", ["tiny-000"])
            yield workspace, instance, port


@pytest.fixture(scope="module")
def cluster(at_a_port: tuple[CampaignWorkspace, dg.DagsterInstance, int]) -> Iterator[Any]:
    """Two nodes that take jobs."""
    with ray_nodes(2, 1, jobs_port=at_a_port[2]) as started:
        yield started


def test_a_run_is_a_job_and_after_the_head_was_lost_another_leaves_the_rows_of_one_machine(
    at_a_port: tuple[CampaignWorkspace, dg.DagsterInstance, int],
    redrawn: CampaignWorkspace,
    request: pytest.FixtureRequest,
) -> None:
    workspace, instance, port = at_a_port
    before = len(workspace.images())
    with ray_nodes(2, 1, jobs_port=port) as doomed:
        lost = launched(instance, "draw_batch", "tiny-000")
        run = run_when(instance, lost, lambda _: len(workspace.images()) > before)
        assert CLAIMED_IN in run.tags
        assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
        doomed.remove_node(doomed.head_node, allow_graceful=False)
        run = run_when(instance, lost, lambda run: run.is_finished or is_dead(instance, run))
        assert run.status == dg.DagsterRunStatus.STARTED
    assert len(workspace.images()) < len(redrawn.images())
    request.getfixturevalue("cluster")
    again = launched(instance, "draw_batch", "tiny-000")
    run = run_when(instance, again, lambda run: run.is_finished)
    assert run.status == dg.DagsterRunStatus.SUCCESS, instance.all_logs(again)
    assert workspace.images() == redrawn.images()
    assert workspace.masks() == redrawn.masks()
    assert workspace.verdicts() == redrawn.verdicts()


def is_dead(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    return instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.NOT_FOUND


def test_a_program_that_runs_as_a_job_reports_what_it_made(
    at_a_port: tuple[CampaignWorkspace, dg.DagsterInstance, int],
    cluster: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    workspace, instance, _ = at_a_port
    Image.fromarray(noise(9)).save(tmp_path / "delivered.png")
    monkeypatch.setenv("WORKS_SOURCE", str(tmp_path))
    monkeypatch.syspath_prepend(ROOT / "deploy" / "ray")
    location = instance, import_module("my_location").defs
    result = materialize(location, ["delivered_works", "reference_corpus"], "tiny")
    [delivered] = result.asset_materializations_for_node("delivered_works")
    assert (delivered.metadata["new_works"].value, delivered.metadata["names"].value) == (1, ["delivered.png"])
    with workspace.catalog() as session:
        assert "delivered" in session.scalars(select(Reference.title)).all()
