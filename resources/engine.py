"""The engine that audits are computed by."""

from contextlib import AbstractContextManager

import dagster as dg

from twig_assets.engines import Engine, opened_engine
from twig_assets.settings.engines import EngineSettings


class EngineResource(dg.ConfigurableResource):
    """Opens the engine of a step; its workers end with the step.

    Attributes:
        engine: See `EngineSettings`.
        workers: See `EngineSettings`.
        address: See `EngineSettings`.
    """

    engine: str = "processes"
    workers: int | None = 1
    address: str | None = None

    def opened(self) -> AbstractContextManager[Engine]:
        """The engine, to be used in a `with` block."""
        given = {"engine": self.engine, "workers": self.workers, "address": self.address}
        return opened_engine(EngineSettings.model_validate(given))
