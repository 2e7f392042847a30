"""A worker process: takes shards from a pipe, computes one after the other, sends answers back.

It ends when the other end of the pipe closes, so that no worker outlives the process that started it.
"""

import os
import pickle
import queue
import signal
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from twig_assets.engines.calls import Answer, Call, Worker, pickled
from twig_assets.engines.engine import Shard


@dataclass(frozen=True)
class Order:
    """What a worker is sent.

    Attributes:
        shard: The shard to compute.
        call: What to compute from now on; None to go on as before.
    """

    shard: Shard[Any]
    call: Call | None


def serve(connection: Connection) -> None:
    """Compute what comes, until the connection closes."""
    # Ctrl-C goes to the whole process group; the process that started this one decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(connection, orders), daemon=True).start()
    worker, call = Worker(), None
    while True:
        try:
            order: Order = pickle.loads(orders.get())
            call = order.call or call
            assert call is not None, "the first order says what to compute"
        except Exception as error:
            answer = Answer(None, error)
        else:
            answer = worker.answer(call, order.shard)
        connection.send_bytes(pickled(answer))


def _read(connection: Connection, orders: "queue.SimpleQueue[bytes]") -> None:
    """Take orders off the pipe at once: so the other end never waits for a shard that is being computed."""
    try:
        while True:
            orders.put(connection.recv_bytes())
    except (EOFError, OSError):
        os._exit(0)
