"""Dagster's settings as the one setting `execution` makes them: each is accepted by what it is for."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import process_config
from dagster_k8s import k8s_job_executor
from dagster_ray import ray_executor

from twig_assets.definitions import ASSET_MODULES
from twig_assets.run_launcher import RunLauncher, k8s, ray
from twig_assets.run_launcher.executors import executor_of
from twig_assets.run_launcher.instance import instance_settings, limit_pools
from twig_assets.settings.execution import ExecutionSettings

PLAIN = yaml.safe_load((Path(__file__).parents[3] / "dagster.yaml").read_text())
URL = "postgresql+psycopg2://twig:hidden-word@db/dagster"
ON_RAY = ExecutionSettings(execution="ray", ray_jobs="http://head:8265", dagster_url=URL)
ON_K8S = ExecutionSettings(execution="k8s", k8s_image="registry/twig:1", dagster_url=URL, k8s_run_gpus=1)


def settings_of(settings: ExecutionSettings) -> dict[str, Any]:
    return instance_settings(PLAIN, settings)


def test_in_process_says_what_the_projects_own_file_says() -> None:
    plain = settings_of(ExecutionSettings())
    assert plain["concurrency"]["runs"]["max_concurrent_runs"] == PLAIN["concurrency"]["runs"]["max_concurrent_runs"]
    assert {name: plain[name] for name in plain if name != "concurrency"} == {
        name: PLAIN[name] for name in PLAIN if name != "concurrency"
    }


@pytest.mark.parametrize(
    ("settings", "launcher"),
    [(ExecutionSettings(execution="multiprocess"), RunLauncher), (ON_RAY, ray.RunLauncher), (ON_K8S, k8s.RunLauncher)],
)
def test_the_launcher_takes_its_part_and_no_password_is_in_it(settings: ExecutionSettings, launcher: type[Any]) -> None:
    made = settings_of(settings)
    assert "hidden-word" not in yaml.safe_dump(made)
    named = made["run_launcher"]
    assert (named["module"], named["class"]) == (launcher.__module__, launcher.__name__)
    accepted = process_config(launcher.config_type(), named.get("config", {}))
    assert accepted.success, accepted.errors


@pytest.mark.parametrize("steps", ["in_process", "multiprocess", "ray", "k8s"])
def test_every_executor_takes_a_job_of_ours(steps: Any) -> None:
    settings = ExecutionSettings(
        execution="k8s", k8s_image="twig", dagster_url=URL, steps=steps, ray_jobs="http://head:8265"
    )

    @dg.job(executor_def=executor_of(settings))
    def nothing() -> None:
        """Do nothing."""

    plan = dg._core.system_config.objects.ResolvedRunConfig.build(nothing)
    names = {"ray": ray_executor.name, "k8s": k8s_job_executor.name, "in_process": dg.in_process_executor.name}
    assert plan.execution.execution_engine_name == names.get(steps, steps)


def test_pools_get_the_slots_that_are_set_and_lose_those_that_are_not() -> None:
    with dg.instance_for_test() as instance:
        for slots, expected in (({"gpu_slots": 1}, {"gpu": 1}), ({"cpu_slots": 3}, {"cpu": 3}), ({}, {})):
            limit_pools(instance, ExecutionSettings(**slots))
            limits = instance.event_log_storage.get_pool_limits()
            assert {limit.name: limit.limit for limit in limits} == expected


def test_what_is_heavy_is_in_a_pool_and_what_is_not_waits_for_nobody() -> None:
    pools = {
        asset.key.to_user_string(): asset.node_def.pools
        for asset in dg.load_assets_from_modules(ASSET_MODULES)
        if isinstance(asset, dg.AssetsDefinition)
    }
    used = {name: set(of_asset) for name, of_asset in pools.items()}
    assert used.pop("prompts") == used.pop("protected_concepts") == used.pop("released_images") == set()
    cpu = {"reference_corpus", "similarity_audits", "compliance_report"}
    assert used == {name: {"cpu" if name in cpu else "gpu"} for name in used}
