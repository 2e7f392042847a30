"""A Ray cluster of two nodes on this machine, and what it computes beside what this process computes."""

import secrets
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.unit.engines import computing
from tests.unit.engines.computing import CONTEXT, numbered
from twig_assets.engines import Engine, Shard, opened_engine
from twig_assets.engines.threads import single_threaded_children
from twig_assets.settings.engines import EngineSettings

# Not importorskip, since Ray reads its environment when it is imported.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install -e '.[ray]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes with two cores each, on the loopback, with a token of their own."""
    variables = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }
    with pytest.MonkeyPatch.context() as environment:
        for name, value in variables.items():
            environment.setenv(name, value)
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 2, "num_gpus": 0, "object_store_memory": 100 * 2**20, "include_dashboard": False}
        with single_threaded_children():
            started = Cluster(initialize_head=True, head_node_args=node)
            started.add_node(**node)
        yield started
        started.shutdown()


@pytest.fixture(scope="module", params=[1, 2, 4])
def engine(cluster: Any, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """One to four workers on the cluster."""
    with opened_engine(EngineSettings(engine="ray", address=cluster.address, workers=request.param)) as opened:
        yield opened


def test_same_bytes_as_in_this_process(engine: Engine) -> None:
    with opened_engine(EngineSettings(workers=1)) as here:
        expected = list(here.map(computing.product, numbered(8), CONTEXT))
    assert list(engine.map(computing.product, numbered(8), CONTEXT)) == expected


def test_a_shard_whose_worker_was_killed_is_computed_again(engine: Engine, tmp_path: Path) -> None:
    shards = [Shard(f"number {i}", (i, tmp_path / "killed")) for i in range(8)]
    assert list(engine.map(computing.dies_once, shards, CONTEXT)) == [10 * i for i in range(8)]
    assert (tmp_path / "killed").exists()
