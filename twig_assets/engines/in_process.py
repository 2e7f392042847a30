"""The engine without other processes: the shards one after the other, here."""

from collections.abc import Callable, Generator, Iterable

from twig_assets.engines.calls import Call, Worker
from twig_assets.engines.engine import C, Context, R, Shard, T, ignored


class InProcess:
    """Computes shards in this process; see `Engine`."""

    workers = 1

    def __init__(self) -> None:
        self._worker = Worker()

    def map(
        self,
        compute: Callable[[C, T], R],
        shards: Iterable[Shard[T]],
        context: Context[C],
        finished: Callable[[str], None] = ignored,
    ) -> Generator[R, None, None]:
        """See `Engine.map`."""
        call = Call.of(compute, context)
        for shard in shards:
            result = self._worker.answer(call, shard).result()
            finished(shard.name)
            yield result
