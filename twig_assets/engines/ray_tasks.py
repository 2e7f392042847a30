"""The engine of several machines: every shard is a task of Ray, which places it and repeats it when its worker dies.

What is drawn goes to actors instead, which keep a model open; see `ray_actors`.
There is no scheduler here: as many tasks are handed in as may run at the same time, and Ray decides where.
"""

from collections.abc import Callable, Generator, Iterable
from types import ModuleType

from twig_assets.engines.calls import Answer, Call, loaded
from twig_assets.engines.engine import C, Context, R, Shard, T, WorkerDiedError, ignored
from twig_assets.engines.ray_actors import RayActors
from twig_assets.engines.ray_cluster import not_begun
from twig_assets.engines.ray_worker import Order, computed
from twig_assets.engines.sameness import code
from twig_assets.engines.turns import Turns

RETRIES = 3
"""How often Ray repeats a shard whose worker or machine died. More than on one machine: a machine takes many along."""


class RayTasks:
    """Computes shards as tasks of Ray; see `Engine`."""

    def __init__(self, ray: ModuleType, workers: int | None, gpus: float = 0) -> None:
        """Take a connected Ray.

        Args:
            ray: The module; see `connected`.
            workers: How many tasks at the same time; None means one for each core of the cluster.
            gpus: Share of a GPU for each worker that draws.
        """
        self._ray = ray
        self._workers = workers
        self._actors = RayActors(ray, gpus)

    @property
    def workers(self) -> int:
        """See `Engine`."""
        return self._workers or max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def map(
        self,
        compute: Callable[[C, T], R],
        shards: Iterable[Shard[T]],
        context: Context[C],
        finished: Callable[[str], None] = ignored,
    ) -> Generator[R, None, None]:
        """See `Engine.map`."""
        if context.draws:
            yield from self._actors.map(self.workers, compute, shards, context, finished)
            return
        self._actors.make_room(self.workers)
        ray, workers, turns = self._ray, self.workers, Turns(Call.of(compute, context), iter(shards))
        task = ray.remote(num_cpus=1, max_retries=RETRIES, scheduling_strategy="SPREAD")(computed)
        order = ray.put(Order(turns.call, code()))
        running: dict[object, tuple[int, Shard[T]]] = {}
        try:
            while True:
                while len(running) < workers and turns.may_go_on(workers) and (taken := turns.next_shard()):
                    running[task.options(name=taken[1].name).remote(order, taken[1])] = taken
                if turns.next_answer is not None:
                    yield turns.taken().result()
                elif running:
                    [done, *_], _ = ray.wait(list(running))
                    number, shard = running.pop(done)
                    turns.answers[number] = self._answer(done, shard)
                    finished(shard.name)
                else:
                    return
        finally:
            for reference in running:
                ray.cancel(reference, force=True)

    def end(self) -> None:
        """End the actors; tasks end with their call."""
        self._actors.end()

    def _answer(self, done: object, shard: Shard[T]) -> Answer:
        try:
            return loaded(self._ray.get(done))
        except self._ray.exceptions.RayTaskError as error:
            raise not_begun(shard.name, error.cause) from error
        except self._ray.exceptions.RayError as error:
            raise WorkerDiedError(
                f"{shard.name}: the workers that computed it died, {RETRIES + 1} times; mostly that is for lack of "
                f"memory, so use fewer workers, or give the machines more of it. Ray says: {error}"
            ) from error
