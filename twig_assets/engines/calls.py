"""What a worker does with a shard, in whatever process it lives."""

import hashlib
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twig_assets.engines.engine import Context, Shard
from twig_assets.engines.threads import single_threaded


@dataclass(frozen=True)
class Call:
    """What is computed of every shard of a call of `Engine.map`.

    Attributes:
        compute: See `Engine.map`.
        context: See `Engine.map`.
        context_key: Hash of the pickled context.
    """

    compute: Callable[[Any, Any], Any]
    context: Context[Any]
    context_key: bytes

    @classmethod
    def of(cls, compute: Callable[[Any, Any], Any], context: Context[Any]) -> "Call":
        """The call, with its key."""
        return cls(compute, context, hashlib.sha256(pickle.dumps(context)).digest())


@dataclass(frozen=True)
class Answer:
    """What came of a shard.

    Attributes:
        value: The function's result; None if there is an error.
        error: What was raised instead.
    """

    value: Any
    error: Exception | None = None

    def result(self) -> Any:
        """The function's result; raises what the function raised."""
        if self.error is not None:
            raise self.error
        return self.value


class Worker:
    """Computes shards, and keeps what the last context opened."""

    def __init__(self) -> None:
        self._key: bytes | None = None
        self._opened: Any = None

    def answer(self, call: Call, shard: Shard[Any]) -> Answer:
        """Compute a shard in one thread; what the function raises is part of the answer."""
        try:
            if self._key != call.context_key:
                # The one before may be large; it goes before the next comes.
                self._key = self._opened = None
                for copy in call.context.copies:
                    copy.bring()
                with single_threaded():
                    self._opened = call.context.opens(call.context.settings)
                self._key = call.context_key
            with single_threaded():
                return Answer(call.compute(self._opened, shard.content))
        except Exception as error:
            error.add_note(f"while computing {shard.name}")
            return Answer(None, error)


def pickled(answer: Answer) -> bytes:
    """An answer to send to another process; an error that cannot be sent becomes a RuntimeError with its text."""
    if answer.error is not None:
        answer.error.add_note("in the worker:\n" + "".join(traceback.format_tb(answer.error.__traceback__)).rstrip())
    try:
        data = pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)
        if answer.error is not None:
            pickle.loads(data)
    except Exception as reason:
        return pickle.dumps(Answer(None, _sendable(answer.error, reason)))
    return data


def _sendable(error: Exception | None, reason: Exception) -> Exception:
    if error is None:
        return TypeError(f"a result cannot be sent back from a worker: {reason}")
    # The notes are part of the text.
    return RuntimeError("".join(traceback.format_exception_only(error)).strip())


def loaded(data: bytes) -> Answer:
    """The answer that `pickled` made bytes of."""
    answer = pickle.loads(data)
    assert isinstance(answer, Answer)
    return answer
