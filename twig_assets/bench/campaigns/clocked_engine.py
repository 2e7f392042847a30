"""An engine whose workers say how long they computed, whatever process and machine they live in."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from twig_assets.engines import Context, Engine, Shard
from twig_assets.resources.engine import EngineResource

worked = {"models": 0.0, "comparison": 0.0}
"""Seconds that workers of `ClockedEngines` computed: drew, segmented, and compared with protected works."""


@dataclass(frozen=True)
class Timed:
    """A function of an engine that also gives the seconds it took."""

    compute: Callable[[Any, Any], Any]

    def __call__(self, opened: Any, content: Any) -> tuple[float, Any]:
        """Compute, and take the time; what a worker opens before is no part of it."""
        started = time.monotonic()
        value = self.compute(opened, content)
        return time.monotonic() - started, value


class ClockedEngine:
    """Another engine, whose workers' seconds are added up in `worked`."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine that computes."""
        self._engine = engine

    @property
    def workers(self) -> int:
        """See `Engine`."""
        return self._engine.workers

    def map(
        self,
        compute: Callable[[Any, Any], Any],
        shards: Iterable[Shard[Any]],
        context: Context[Any],
        finished: Callable[[str], None] = lambda _: None,
    ) -> Generator[Any, None, None]:
        """See `Engine.map`."""
        kind = "models" if context.draws else "comparison"
        with closing(self._engine.map(Timed(compute), shards, context, finished)) as results:
            for seconds, value in results:
                worked[kind] += seconds
                yield value


class ClockedEngines(EngineResource):
    """The resource that opens such engines."""

    @contextmanager
    def opened(self) -> Iterator[Engine]:
        """See `EngineResource`."""
        with super().opened() as engine:
            yield ClockedEngine(engine)
