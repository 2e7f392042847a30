"""What Dagster's instance is told of runs, concurrency and its database, by the one setting `execution`."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from twig_assets.settings.execution import VARIABLES, ExecutionSettings

MOUNTED_HOME = "/opt/dagster/dagster_home"
"""Where a container of a run on Kubernetes finds its `dagster.yaml`; the default of `dagster-k8s`."""

STATE, CAMPAIGNS = "/var/lib/twig", "/srv/campaigns"
"""Where the containers of `deploy/` have the state folder and the campaigns."""


def instance_settings(plain: Mapping[str, Any], settings: ExecutionSettings) -> dict[str, Any]:
    """The content of a `dagster.yaml` for these settings; no password is in it, but the variable that has it.

    Args:
        plain: The project's `dagster.yaml`, which is that of `in_process`.
        settings: The settings.
    """
    changed = dict(plain)
    if settings.dagster_url is not None:
        changed["storage"] = {"postgres": {"postgres_url": {"env": VARIABLES["dagster_url"]}}}
    if settings.execution == "ray":
        changed["run_launcher"] = {"module": "twig_assets.run_launcher.ray", "class": "RunLauncher"}
        changed["run_launcher"]["config"] = {"ray": _of_ray(settings)}
    elif settings.execution == "k8s":
        changed["run_launcher"] = {"module": "twig_assets.run_launcher.k8s", "class": "RunLauncher"}
        changed["run_launcher"]["config"] = _of_k8s(settings)
    # A second run of the same batch would only wait for the first, in a place that another batch could have.
    one_by_one = {"key": "dagster/partition", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
    changed["concurrency"] = {
        "runs": {"max_concurrent_runs": settings.runs_at_once, "tag_concurrency_limits": [one_by_one]},
        "pools": {"granularity": "op"},
    }
    return changed


def limit_pools(instance: dg.DagsterInstance, settings: ExecutionSettings) -> None:
    """Give the concurrency pools the slots that the settings name; Dagster keeps them in its database."""
    storage = instance.event_log_storage
    known = {limit.name: limit.limit for limit in storage.get_pool_limits()}
    for pool, slots in settings.pools.items():
        if slots is None and pool in known:
            storage.delete_concurrency_limit(pool)
        elif slots is not None and known.get(pool) != slots:
            storage.set_concurrency_slots(pool, slots)


def _of_ray(settings: ExecutionSettings) -> dict[str, Any]:
    # Ray shows a job's variables to whoever opens its dashboard, so none are sent: every node has its own.
    return {"address": settings.ray_jobs, "num_cpus": settings.ray_run_cpus, "num_gpus": settings.ray_run_gpus}


def _of_k8s(settings: ExecutionSettings) -> dict[str, Any]:
    mounts = [
        {"name": "state", "mount_path": STATE, "sub_path": "state"},
        {"name": "state", "mount_path": CAMPAIGNS, "sub_path": "campaigns"},
    ]
    resources = {"limits": {"nvidia.com/gpu": str(settings.k8s_run_gpus)}} if settings.k8s_run_gpus else None
    return {
        "job_image": settings.k8s_image,
        "job_namespace": settings.k8s_namespace,
        "service_account_name": settings.k8s_service_account,
        "instance_config_map": settings.k8s_instance,
        "dagster_home": MOUNTED_HOME,
        "env_config_maps": [settings.k8s_settings],
        "env_secrets": [settings.k8s_secrets],
        "volumes": [{"name": "state", "persistent_volume_claim": {"claim_name": settings.k8s_state}}],
        "volume_mounts": mounts,
        **({"resources": resources} if resources else {}),
    }
