"""The engine that audits are computed and images are drawn by."""

import atexit
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import dagster as dg

from twig_assets.engines import Engine, opened_engine
from twig_assets.settings.engines import EngineSettings

# Connections to a cluster, with the actors that have a model open there: kept for the steps that follow.
_OPEN: dict[EngineSettings, Engine] = {}
_KEPT = ExitStack()


def end_engines() -> None:
    """End the workers on a cluster that this process has kept."""
    _OPEN.clear()
    _KEPT.close()


atexit.register(end_engines)


class EngineResource(dg.ConfigurableResource):
    """Opens the engine of a step. Workers on this machine end with the step, those of a cluster with the process.

    Attributes:
        engine: See `EngineSettings`.
        workers: See `EngineSettings`.
        address: See `EngineSettings`.
        gpus: See `EngineSettings`.
    """

    engine: str = "processes"
    workers: int | None = 1
    address: str | None = None
    gpus: float = 0

    @contextmanager
    def opened(self) -> Iterator[Engine]:
        """The engine, to be used in a `with` block."""
        settings = self._settings()
        if settings.engine != "ray":
            with opened_engine(settings) as engine:
                yield engine
            return
        if settings not in _OPEN:
            _OPEN[settings] = _KEPT.enter_context(opened_engine(settings))
        yield _OPEN[settings]

    @contextmanager
    def elsewhere(self) -> Iterator[Engine | None]:
        """The same; None where one worker would do the work of this process, which has the models open already."""
        settings = self._settings()
        if settings.engine == "processes" and settings.workers == 1:
            yield None
            return
        with self.opened() as engine:
            yield engine

    def _settings(self) -> EngineSettings:
        given = {"engine": self.engine, "workers": self.workers, "address": self.address, "gpus": self.gpus}
        return EngineSettings.model_validate(given)
