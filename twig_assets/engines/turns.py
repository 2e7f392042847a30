"""Whose turn it is: shards are computed in any order, and their results are given in the shards' order."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any

from twig_assets.engines.calls import Answer, Call
from twig_assets.engines.engine import Shard, WorkerDiedError

TRIES = 2
"""How often a shard is computed before the worker's death is taken for its fault."""

AHEAD = 4
"""Shards per worker that are computed before their turn, at most, while one before them takes long."""


class Turns:
    """The shards of one call: those to come, those to compute again, and the answers that are not taken yet."""

    def __init__(self, call: Call, shards: Iterator[Shard[Any]], tries: int = TRIES) -> None:
        self.call = call
        self._may_try = tries
        self.answers: dict[int, Answer] = {}
        self._shards = enumerate(shards)
        self._next: tuple[int, Shard[Any]] | None = None
        self._again: deque[tuple[int, Shard[Any]]] = deque()
        self._tries: Counter[int] = Counter()
        self._handed_out, self._taken = 0, 0

    def may_go_on(self, workers: int) -> bool:
        """Whether a further shard may be computed, or too many answers wait for one that takes long."""
        return bool(self._again) or self._handed_out - self._taken < AHEAD * workers

    @property
    def next_answer(self) -> Answer | None:
        """The answer whose turn it is, if it is there."""
        return self.answers.get(self._taken)

    def taken(self) -> Answer:
        """Take the answer whose turn it is."""
        answer = self.answers.pop(self._taken)
        self._taken += 1
        return answer

    def next_shard(self) -> tuple[int, Shard[Any]] | None:
        """The next shard to compute, with its number; None if there is none."""
        if self._again:
            return self._again.popleft()
        numbered, self._next = self._next or next(self._shards, None), None
        self._handed_out += numbered is not None
        return numbered

    @property
    def is_left(self) -> bool:
        """Whether there is a shard that nobody has; a new one is taken from the work for that, and kept."""
        if not self._again and self._next is None:
            self._next = next(self._shards, None)
        return bool(self._again) or self._next is not None

    def redo(self, lost: Iterable[tuple[int, Shard[Any]]], how: str) -> None:
        """Compute shards again that a dead worker had; the first is the one that it was at.

        Raises:
            WorkerDiedError: If that one has cost as many workers as it may.
        """
        lost = list(lost)
        if lost:
            number, shard = lost[0]
            self._tries[number] += 1
            if self._tries[number] >= self._may_try:
                raise WorkerDiedError(
                    f"{shard.name}: the worker that computed it {how}, {self._may_try} times; mostly that is for lack "
                    "of memory, so use fewer workers, or give the machine more of it"
                )
        self._again.extendleft(reversed(lost))
