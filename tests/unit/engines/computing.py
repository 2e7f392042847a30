"""What the tests of engines compute; workers import it."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from twig_assets.engines import Context, Shard


class Opened(NamedTuple):
    factor: int
    by: int


def opened(settings: tuple[int, Path | None]) -> Opened:
    factor, log = settings
    if log is not None:
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")
    return Opened(factor, os.getpid())


def times(context: Opened, value: int) -> int:
    return context.factor * value


def slow_first(context: Opened, value: int) -> int:
    time.sleep(0.3 if value == 0 else 0)
    return context.factor * value


def by_whom(context: Opened, value: int) -> int:
    time.sleep(0.02)
    return context.by


def product(context: Opened, seed: int) -> bytes:
    """Floating point sums whose last bits depend on the number of threads."""
    a, b = np.random.default_rng(seed).standard_normal((2, 300, 300), dtype=np.float32)
    return (a @ b).tobytes() + (np.linalg.svd(a)[0] @ b).tobytes()


def failing(context: Opened, value: int) -> int:
    if value in (3, 5):
        raise ValueError(f"{value} is bad")
    return value


class TwoArgumentsError(Exception):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def failing_oddly(context: Opened, value: int) -> int:
    raise TwoArgumentsError("cannot", "travel")


def unsendable(context: Opened, value: int) -> object:
    return lambda: value


def dies_once(context: Opened, mark: tuple[int, Path]) -> int:
    """Be killed, as for lack of memory, the first time that value 4 comes."""
    value, path = mark
    if value == 4 and not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return context.factor * value


def dies(context: Opened, value: int) -> int:
    if value == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def leaves(context: Opened, value: int) -> int:
    os._exit(7)


def sleeps(context: Opened, folder: Path | None) -> int:
    """Say in a folder which process this is, and do not come back for a minute; without one, come back at once."""
    if folder is not None:
        (folder / str(os.getpid())).touch()
        time.sleep(60)
    return 0


def is_running(pid: str) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    for _ in range(round(seconds / 0.05)):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


CONTEXT: Context[Opened] = Context(opened, (10, None))


def numbered(count: int) -> list[Shard[int]]:
    return [Shard(f"number {i}", i) for i in range(count)]


def where(context: Opened, value: int) -> str:
    """The Ray node that computes this."""
    import ray

    time.sleep(0.1)
    return str(ray.get_runtime_context().get_node_id())


def slowly(context: Opened, value: int) -> int:
    time.sleep(0.3)
    return context.factor * value
