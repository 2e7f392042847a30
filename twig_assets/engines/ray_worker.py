"""What runs in a worker process of Ray, on any machine of its cluster."""

import socket
from dataclasses import dataclass
from typing import Any

from twig_assets.engines.calls import Answer, Call, Worker, pickled
from twig_assets.engines.engine import Shard
from twig_assets.engines.sameness import DifferentCodeError, check_same

_WORKER = Worker()
"""Ray gives a process one task after the other, so what a context opened stays for the next."""


@dataclass(frozen=True)
class Order:
    """What is the same for all shards of a call.

    Attributes:
        call: What to compute.
        code: What the process that asks has; see `check_same`.
    """

    call: Call
    code: dict[str, str]


def computed(order: Order, shard: Shard[Any]) -> bytes:
    """The pickled answer for a shard."""
    try:
        check_same(order.code, socket.gethostname())
    except DifferentCodeError as error:
        return pickled(Answer(None, error))
    return pickled(_WORKER.answer(order.call, shard))
