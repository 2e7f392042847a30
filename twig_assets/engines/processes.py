"""The engine of several processes on this machine.

Every worker is a fresh interpreter (`spawn`), since a fork after torch or OpenMP has run threads can hang. A worker
that dies, as when the kernel takes its memory back, is replaced and its shard computed once more; the others go on.
"""

import multiprocessing
import pickle
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any

from twig_assets.engines.calls import Answer, Call, loaded
from twig_assets.engines.engine import C, Context, R, Shard, T, ignored
from twig_assets.engines.process_worker import Order, serve
from twig_assets.engines.threads import single_threaded_children
from twig_assets.engines.turns import Turns

QUEUED = 2
"""Shards that a worker has at a time, so that it need not wait for the next."""


class Processes:
    """Computes shards in worker processes, which start when there is work for them; see `Engine`."""

    def __init__(self, workers: int) -> None:
        """Start nothing yet.

        Args:
            workers: How many processes, 1 or more.
        """
        self.workers = workers
        self._pool: list[_Process] = []
        self._mapping = False

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end(self._pool)

    def map(
        self,
        compute: Callable[[C, T], R],
        shards: Iterable[Shard[T]],
        context: Context[C],
        finished: Callable[[str], None] = ignored,
    ) -> Generator[R, None, None]:
        """See `Engine.map`."""
        if self._mapping:
            raise RuntimeError("this engine is computing already; one call of map at a time")
        self._mapping = True
        work = Turns(Call.of(compute, context), iter(shards))
        try:
            while True:
                self._hand_out(work)
                if work.next_answer is not None:
                    yield work.taken().result()
                elif any(process.pending for process in self._pool):
                    self._receive(work, finished)
                else:
                    return
        finally:
            self._mapping = False
            self._end([process for process in self._pool if process.pending])

    def _hand_out(self, work: Turns) -> None:
        """Give shards to those that have the fewest, and start a worker where all have some."""
        while work.may_go_on(self.workers):
            free = min(self._pool, key=lambda process: len(process.pending), default=None)
            start = len(self._pool) < self.workers and (free is None or free.pending)
            if not start and free is not None and len(free.pending) >= QUEUED:
                return
            taken = work.next_shard()
            if taken is None:
                return
            if start or free is None:
                self._pool.append(free := _Process())
            free.send(*taken, work.call)

    def _receive(self, work: Turns, finished: Callable[[str], None]) -> None:
        """Wait for an answer or a death, and take what there is."""
        events = [event for process in self._pool for event in (process.connection, process.sentinel)]
        ready = wait(events)
        for process in list(self._pool):
            if process.connection in ready or process.sentinel in ready:
                while (answer := process.answer()) is not None:
                    number, shard = process.pending.popleft()
                    work.answers[number] = answer
                    finished(shard.name)
                if process.dead:
                    how = process.how_it_ended()
                    self._end([process])
                    work.redo(process.pending, how)

    def _end(self, processes: "list[_Process]") -> None:
        for process in processes:
            process.kill()
        self._pool = [process for process in self._pool if process not in processes]


class _Process:
    """One worker process, with the shards that it has."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True, name="twig worker")
        with single_threaded_children():
            self._process.start()
        # Only the worker holds its end now, so its death closes the pipe.
        theirs.close()
        self.pending: deque[tuple[int, Shard[Any]]] = deque()
        self.dead = False
        self._call: Call | None = None

    @property
    def sentinel(self) -> int:
        """Gets ready when the process ends; see `multiprocessing.connection.wait`."""
        return self._process.sentinel

    def send(self, number: int, shard: Shard[Any], call: Call) -> None:
        """Give it a shard; what cannot be pickled raises here."""
        order = pickle.dumps(Order(shard, None if call is self._call else call), protocol=pickle.HIGHEST_PROTOCOL)
        self.pending.append((number, shard))
        self._call = call
        try:
            self.connection.send_bytes(order)
        except OSError:
            self.dead = True

    def answer(self) -> Answer | None:
        """Its next answer, None if there is none yet."""
        try:
            if self.connection.poll():
                return loaded(self.connection.recv_bytes())
            self.dead = self.dead or not self._process.is_alive()
        except (EOFError, OSError):
            self.dead = True
        return None

    def how_it_ended(self) -> str:
        """For a person: its signal or its exit status."""
        # Its pipe may close a moment before it is gone.
        self._process.join(1)
        code = self._process.exitcode or 0
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"

    def kill(self) -> None:
        """End it at once, and wait until it is gone."""
        self._process.kill()
        self._process.join()
        self.connection.close()
