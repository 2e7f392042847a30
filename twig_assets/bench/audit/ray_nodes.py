"""A Ray cluster of several nodes on this machine, which nothing outside it can reach."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from twig_assets.engines.threads import single_threaded_children

OBJECT_STORE = 100 * 2**20
"""Bytes of shared memory for each node."""

# One for all clusters of a process, since Ray keeps the first that it reads.
_TOKEN = secrets.token_hex(32)


@contextmanager
def ray_nodes(*cores: int, jobs_port: int | None = None) -> Iterator[Any]:
    """A running cluster, with `address`, `add_node` and `remove_node`; see `ray.cluster_utils`.

    Ray reads its environment when it is imported, so nothing may have imported it before.

    Args:
        cores: How many each node has; the first is the head.
        jobs_port: Where the head takes jobs, on loopback; None for nowhere.
    """
    variables = {
        "RAY_USAGE_STATS_ENABLED": "0",
        # See `engines.ray_cluster`.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": _TOKEN,
    }
    with mock.patch.dict(os.environ, variables):
        from ray.cluster_utils import Cluster

        with single_threaded_children():
            jobs = {"include_dashboard": True, "dashboard_host": "127.0.0.1", "dashboard_port": jobs_port}
            # Otherwise Ray gives the head's agent a fixed port. Where an agent of another cluster has that, one that is
            # still ending too, no job is ever taken.
            head = {**node(cores[0]), "dashboard_agent_listen_port": 0, **(jobs if jobs_port else {})}
            cluster = Cluster(initialize_head=True, head_node_args=head)
            for count in cores[1:]:
                cluster.add_node(**node(count))
        try:
            yield cluster
        finally:
            cluster.shutdown()


def node(cores: int) -> dict[str, Any]:
    """The arguments of `add_node` for a node with so many cores."""
    return {"num_cpus": cores, "num_gpus": 0, "object_store_memory": OBJECT_STORE, "include_dashboard": False}
