"""Connecting to a Ray cluster, or starting one on this machine. Ray is an extra, so it is imported here only.

Nothing is told to Ray's makers, and no dashboard is started. A Ray that is started here listens on this machine's
loopback only, with a token that only this process and its children know.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from twig_assets.engines.threads import single_threaded_children

OBJECT_STORE = 256 * 2**20
"""Bytes of shared memory for the shards that wait and the results that are not taken yet; Ray writes more to disk."""


class RayError(RuntimeError):
    """Ray is missing, or its cluster cannot be reached; the message says what to do."""


def not_begun(shard: str, cause: object) -> RayError:
    """The error of a shard that a worker could not even begin with."""
    return RayError(
        f"{shard}: a worker of Ray could not begin with it; is this version of twig-assets installed on every machine? "
        f"{cause}"
    )


@contextmanager
def connected(address: str | None, workers: int) -> Iterator[ModuleType]:
    """The module `ray`, connected; a connection that was there before is used, and stays.

    Args:
        address: See `EngineSettings`.
        workers: How many compute at the same time on a Ray that is started here.

    Raises:
        RayError: If that cannot be done.
    """
    ray = _imported(local=address is None)
    if ray.is_initialized():
        yield ray
        return
    try:
        if address is None:
            _start(ray, workers)
        else:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise RayError(f"Ray at {address or 'this machine'}: {error}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _imported(local: bool) -> ModuleType:
    # Ray reads all of these when it is imported, and hands them on to the processes that it starts.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if local:
        # Ray's own switch for machines that take no part in a cluster: it takes the loopback as this machine's address.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        if "RAY_AUTH_MODE" not in os.environ:
            os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        import ray
    except ImportError as error:
        raise RayError("the engine ray needs Ray: pip install 'twig-assets[ray]', on every machine") from error
    return ray


def _start(ray: ModuleType, workers: int) -> None:
    with single_threaded_children():
        ray.init(
            address="local",
            # Those that draw keep a core between two calls, with the model that they have open; tasks need others then.
            num_cpus=2 * workers,
            num_gpus=0,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE,
            log_to_driver=False,
            logging_level="ERROR",
        )
