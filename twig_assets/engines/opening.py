"""Opening the engine that settings name."""

from collections.abc import Iterator
from contextlib import contextmanager

from twig_assets.engines.engine import Engine
from twig_assets.engines.in_process import InProcess
from twig_assets.engines.processes import Processes
from twig_assets.engines.ray_cluster import connected
from twig_assets.engines.ray_tasks import RayTasks
from twig_assets.settings.engines import EngineSettings, usable_cores


@contextmanager
def opened_engine(settings: EngineSettings) -> Iterator[Engine]:
    """An engine to be used in a `with` block; its workers keep what they opened between calls, and end with the block.

    Args:
        settings: Which one, and how many workers.

    Raises:
        RayError: If the engine is Ray, and it is not installed or cannot be reached.
    """
    if settings.engine == "ray":
        workers = settings.workers or (None if settings.address else usable_cores())
        with connected(settings.address, workers or 1) as ray:
            engine = RayTasks(ray, workers, settings.gpus)
            try:
                yield engine
            finally:
                engine.end()
        return
    workers = settings.workers or usable_cores()
    if workers == 1:
        yield InProcess()
        return
    with Processes(workers) as processes:
        yield processes
