"""Opening the engine that settings name."""

from collections.abc import Iterator
from contextlib import contextmanager

from twig_assets.engines.engine import Engine
from twig_assets.engines.in_process import InProcess
from twig_assets.engines.processes import Processes
from twig_assets.settings.engines import EngineSettings, usable_cores


@contextmanager
def opened_engine(settings: EngineSettings) -> Iterator[Engine]:
    """An engine to be used in a `with` block; its workers keep what they opened between calls, and end with the block.

    Args:
        settings: Which one, and how many workers.
    """
    workers = settings.workers or usable_cores()
    if workers == 1:
        yield InProcess()
        return
    with Processes(workers) as engine:
        yield engine
