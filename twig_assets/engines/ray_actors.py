"""Workers of Ray that stay: actors, each of which keeps a model open from one call to the next.

A task may run in any process of the cluster, which is right for work that opens little. A model takes seconds to open,
so whoever has one open goes on with it. An actor gets a shard only when it says that it has started: one for which the
cluster has no room just now, as after a machine was lost, keeps no shard waiting.
"""

from collections.abc import Callable, Generator, Iterable
from types import ModuleType
from typing import Any

from twig_assets.engines.calls import Call, loaded
from twig_assets.engines.engine import C, Context, R, Shard, T, ignored
from twig_assets.engines.ray_cluster import RayError, not_begun
from twig_assets.engines.ray_worker import Order, computed
from twig_assets.engines.sameness import code
from twig_assets.engines.turns import Turns

TRIES = 4
"""How often a shard is begun before the death of its actors is taken for its fault, and an actor is started in vain."""


class Actor:
    """What lives in an actor's process."""

    def ready(self) -> bool:
        """Say that it has started."""
        return True

    def computed(self, order: Order, shard: Shard[Any]) -> bytes:
        """See `ray_worker.computed`, which keeps what the last order opened."""
        return computed(order, shard)


class RayActors:
    """Computes shards in actors of Ray, which start when there is work for them."""

    def __init__(self, ray: ModuleType, gpus: float) -> None:
        """Start nothing yet.

        Args:
            ray: The module, connected.
            gpus: Share of a GPU for each, 0 for none.
        """
        self._ray, self._gpus = ray, gpus
        self._starting: dict[Any, Any] = {}
        self._free: list[Any] = []
        self._busy: dict[Any, tuple[Any, int, Shard[Any]]] = {}
        self._failures = 0

    def map(
        self,
        workers: int,
        compute: Callable[[C, T], R],
        shards: Iterable[Shard[T]],
        context: Context[C],
        finished: Callable[[str], None] = ignored,
    ) -> Generator[R, None, None]:
        """See `Engine.map`, with at most so many workers."""
        turns = Turns(Call.of(compute, context), iter(shards), TRIES)
        order = self._ray.put(Order(turns.call, code()))
        try:
            while True:
                self._hand_out(turns, order, workers)
                if turns.next_answer is not None:
                    yield turns.taken().result()
                elif self._busy or turns.is_left:
                    self._receive(turns, finished)
                else:
                    return
        finally:
            for actor, _, _ in self._busy.values():
                self._ray.kill(actor)
            self._busy = {}

    def make_room(self, cores: int) -> None:
        """End the actors if the cluster has fewer free cores: they keep theirs also while they compute nothing.

        A task that waits for such a core would wait for ever. The next call starts actors again. What Ray says of free
        cores counts those of other programs, and may be a second old; so our own are counted here too.
        """
        own = len(self._free) + len(self._starting)
        left = self._ray.cluster_resources().get("CPU", 0) - own
        if own and min(left, self._ray.available_resources().get("CPU", 0)) < cores:
            self.end()

    def end(self) -> None:
        """End all actors."""
        for actor in [*self._starting.values(), *self._free, *(actor for actor, _, _ in self._busy.values())]:
            self._ray.kill(actor)
        self._starting, self._free, self._busy = {}, [], {}

    def _hand_out(self, turns: Turns, order: Any, workers: int) -> None:
        while len(self._busy) < workers and turns.may_go_on(workers) and turns.is_left:
            if not self._free:
                if len(self._starting) + len(self._busy) >= workers:
                    return
                self._start()
                continue
            taken = turns.next_shard()
            if taken is None:
                return
            number, shard = taken
            actor = self._free.pop()
            reference = actor.computed.options(name=shard.name).remote(order, shard)
            self._busy[reference] = (actor, number, shard)

    def _start(self) -> None:
        remote = self._ray.remote(num_cpus=1, num_gpus=self._gpus, max_restarts=0, scheduling_strategy="SPREAD")
        actor = remote(Actor).remote()
        self._starting[actor.ready.remote()] = actor

    def _receive(self, turns: Turns, finished: Callable[[str], None]) -> None:
        """Wait until an actor has started or computed something, or has died."""
        [done, *_], _ = self._ray.wait([*self._busy, *self._starting])
        if done in self._starting:
            self._started(done)
            return
        actor, number, shard = self._busy.pop(done)
        try:
            turns.answers[number] = loaded(self._ray.get(done))
        except self._ray.exceptions.RayTaskError as error:
            raise not_begun(shard.name, error.cause) from error
        except self._ray.exceptions.RayError as error:
            turns.redo([(number, shard)], f"died ({str(error).splitlines()[0]})")
        else:
            self._free.append(actor)
            finished(shard.name)

    def _started(self, ready: Any) -> None:
        actor = self._starting.pop(ready)
        try:
            self._ray.get(ready)
        except self._ray.exceptions.RayError as error:
            self._failures += 1
            if self._failures >= TRIES:
                raise RayError(
                    f"Ray cannot start a worker: {error}; is this version of twig-assets installed on every machine?"
                ) from error
        else:
            self._failures = 0
            self._free.append(actor)
