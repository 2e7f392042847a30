"""Runs as jobs of a Ray cluster, started by the launcher that `TWIG_EXECUTION=ray` names."""

import socket
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.launcher import LaunchRunContext
from dagster._core.launcher.base import WorkerStatus
from sqlalchemy import select

from tests.integration.conftest import ROOT, CampaignWorkspace, Workspaces
from twig_assets.bench.audit.ray_nodes import ray_nodes
from twig_assets.bench.campaigns.workspace import materialize
from twig_assets.catalog.models import Concept, CorpusVersion
from twig_assets.orchestration.dagster_home import prepare_dagster_home
from twig_assets.resources import CampaignsResource
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
    instance.run_launcher.launch_run(LaunchRunContext(run, None))
    return run.run_id


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


def inputs(workspace: CampaignWorkspace) -> list[list[str]]:
    with workspace.catalog() as session:
        concepts = sorted(session.scalars(select(Concept.name)))
        return [concepts, sorted(session.scalars(select(CorpusVersion.sha256)))]


def test_a_run_is_a_job_of_the_cluster_and_one_whose_cluster_is_gone_is_known_to_be_dead(
    tmp_path: Path, empty_mlflow: Path, postgres: Callable[[], str]
) -> None:
    here = Workspaces(empty_mlflow).new(tmp_path / "here")
    with here.entered() as location:
        campaigns = CampaignsResource(root=str(here.root))
        assert materialize(location, ["protected_concepts", "reference_corpus"], "tiny", campaigns=campaigns).success
    port = free_port()
    workspace = Workspaces(empty_mlflow, postgres).new(tmp_path / "on ray")
    variables = {
        "TWIG_EXECUTION": "ray",
        "TWIG_RAY_JOBS": f"http://127.0.0.1:{port}",
        "TWIG_CAMPAIGNS": str(workspace.root),
        "TWIG_CAMPAIGN": "",
    }
    workspace = replace(workspace, variables=variables)
    # Nodes have the settings in their own environment; nothing is sent along with a job.
    with workspace.in_environment():
        prepare_dagster_home()
        with dg.DagsterInstance.get() as instance:
            instance.add_dynamic_partitions("campaigns", ["tiny"])
            with ray_nodes(2, 1, jobs_port=port):
                done = launched(instance, "read_inputs", "tiny")
                run = run_when(instance, done, lambda run: run.is_finished)
                assert run.status == dg.DagsterRunStatus.SUCCESS, instance.all_logs(done)
                assert CLAIMED_IN in run.tags
                assert inputs(workspace) == inputs(here)
                lost = launched(instance, "read_inputs", "tiny")
                run = run_when(instance, lost, lambda run: CLAIMED_IN in run.tags)
                assert instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
            # A run that ended in the moment before the cluster did needs no judgement.
            run = run_when(instance, lost, lambda run: run.is_finished or is_dead(instance, run))
            assert run.status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS)
    assert inputs(workspace) == inputs(here)


def is_dead(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    return instance.run_launcher.check_run_worker_health(run).status == WorkerStatus.NOT_FOUND
