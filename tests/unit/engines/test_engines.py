import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.engines import computing
from tests.unit.engines.computing import CONTEXT, numbered
from twig_assets.engines import Context, Engine, Shard, WorkerDiedError, opened_engine
from twig_assets.engines.processes import Processes
from twig_assets.settings.engines import EngineSettings, usable_cores


@pytest.fixture(scope="module", params=[1, 2])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """In this process, and in two."""
    with opened_engine(EngineSettings(workers=request.param)) as opened:
        yield opened


def test_results_come_in_the_shards_order(engine: Engine) -> None:
    assert list(engine.map(computing.slow_first, numbered(9), CONTEXT)) == [10 * i for i in range(9)]


def test_nothing_to_do(engine: Engine) -> None:
    assert list(engine.map(computing.times, [], CONTEXT)) == []


def test_every_finished_shard_is_told(engine: Engine) -> None:
    names: list[str] = []
    list(engine.map(computing.slow_first, numbered(5), CONTEXT, names.append))
    assert sorted(names) == [f"number {i}" for i in range(5)]


def test_what_a_function_raises_is_raised_here_and_names_the_shard(engine: Engine) -> None:
    results = []
    with pytest.raises(ValueError, match="^3 is bad") as raised:
        results.extend(engine.map(computing.failing, numbered(9), CONTEXT))
    assert raised.value.__notes__[0] == "while computing number 3"
    assert list(engine.map(computing.times, numbered(2), CONTEXT)) == [0, 10]


def test_results_before_a_failure_are_given(engine: Engine) -> None:
    results = engine.map(computing.failing, numbered(9), CONTEXT)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    results.close()


def test_a_context_that_cannot_be_opened(engine: Engine, tmp_path: Path) -> None:
    missing = Context(computing.opened, (1, tmp_path / "missing" / "log"))
    with pytest.raises(FileNotFoundError):
        list(engine.map(computing.times, numbered(2), missing))


def test_a_context_is_opened_once_per_worker_until_another_is_asked_for(engine: Engine, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for _ in range(2):
        workers = set(engine.map(computing.by_whom, numbered(6), Context(computing.opened, (1, log))))
        assert 1 <= len(workers) <= engine.workers
    opened_by = log.read_text().split()
    assert len(opened_by) == len(set(opened_by))
    assert list(engine.map(computing.times, numbered(2), Context(computing.opened, (2, log)))) == [0, 2]


def test_closing_ends_a_call_and_the_engine_can_be_used_again(engine: Engine) -> None:
    with closing(engine.map(computing.times, numbered(100), CONTEXT)) as results:
        assert next(results) == 0
    assert list(engine.map(computing.times, numbered(2), CONTEXT)) == [0, 10]


def test_shards_are_taken_as_they_are_needed(engine: Engine) -> None:
    taken = []

    def shards() -> Iterator[Shard[int]]:
        for shard in numbered(1000):
            taken.append(shard)
            yield shard

    with closing(engine.map(computing.times, shards(), CONTEXT)) as results:
        next(results)
    assert len(taken) <= 9


def test_same_bytes_with_one_and_more_workers() -> None:
    with opened_engine(EngineSettings(workers=1)) as one, opened_engine(EngineSettings(workers=3)) as three:
        assert list(one.map(computing.product, numbered(6), CONTEXT)) == list(
            three.map(computing.product, numbered(6), CONTEXT)
        )


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    """Two processes."""
    with Processes(2) as opened:
        yield opened


def test_a_shard_whose_worker_was_killed_is_computed_again(processes: Processes, tmp_path: Path) -> None:
    shards = [Shard(f"number {i}", (i, tmp_path / "killed")) for i in range(12)]
    assert list(processes.map(computing.dies_once, shards, CONTEXT)) == [10 * i for i in range(12)]
    assert (tmp_path / "killed").exists()


def test_a_shard_that_kills_every_worker_is_named(processes: Processes) -> None:
    with pytest.raises(WorkerDiedError, match=r"number 4: the worker .* ended by SIGKILL, 2 times; .* fewer workers"):
        list(processes.map(computing.dies, numbered(12), CONTEXT))


def test_a_worker_that_leaves_is_no_hang(processes: Processes) -> None:
    with pytest.raises(WorkerDiedError, match="number 0: .* ended with exit status 7"):
        list(processes.map(computing.leaves, numbered(1), CONTEXT))


def test_an_idle_worker_that_was_killed_is_replaced(processes: Processes) -> None:
    workers = set(processes.map(computing.by_whom, numbered(8), CONTEXT))
    os.kill(next(iter(workers)), 9)
    assert list(processes.map(computing.times, numbered(8), CONTEXT)) == [10 * i for i in range(8)]


def test_an_error_that_cannot_be_pickled_comes_as_text(processes: Processes) -> None:
    with pytest.raises(RuntimeError, match="TwoArgumentsError: cannot travel\nwhile computing number 0") as raised:
        list(processes.map(computing.failing_oddly, numbered(1), CONTEXT))
    assert "in failing_oddly" in str(raised.value)


def test_a_result_that_cannot_be_pickled(processes: Processes) -> None:
    with pytest.raises(TypeError, match="a result cannot be sent back"):
        list(processes.map(computing.unsendable, numbered(1), CONTEXT))


def test_two_calls_at_a_time_are_refused(processes: Processes) -> None:
    with closing(processes.map(computing.times, numbered(5), CONTEXT)) as results:
        next(results)
        with pytest.raises(RuntimeError, match="one call of map at a time"):
            next(processes.map(computing.times, numbered(5), CONTEXT))


def test_an_exception_in_the_caller_ends_the_workers_at_once(tmp_path: Path) -> None:
    def interrupted() -> Iterator[Shard[Path]]:
        yield Shard("sleeping", tmp_path)
        while not list(tmp_path.iterdir()):
            time.sleep(0.01)
        raise KeyboardInterrupt

    with Processes(1) as engine, pytest.raises(KeyboardInterrupt):
        list(engine.map(computing.sleeps, interrupted(), CONTEXT))
    [worker] = tmp_path.iterdir()
    assert not Path(f"/proc/{worker.name}").exists()


OUTLIVED = """
from pathlib import Path
from tests.unit.engines import computing
from twig_assets.engines import Shard
from twig_assets.engines.processes import Processes
if __name__ == "__main__":
    with Processes(1) as engine:
        list(engine.map(computing.sleeps, [Shard("sleeping", Path({folder!r}))], computing.CONTEXT))
"""


def test_no_worker_outlives_a_killed_caller(tmp_path: Path) -> None:
    pids, script = tmp_path / "pids", tmp_path / "script.py"
    pids.mkdir()
    script.write_text(OUTLIVED.format(folder=str(pids)))
    caller = subprocess.Popen([sys.executable, str(script)], env={**os.environ, "PYTHONPATH": os.getcwd()})
    give_up = threading.Timer(60, caller.kill)
    give_up.start()
    while not list(pids.iterdir()) and caller.poll() is None:
        time.sleep(0.05)
    give_up.cancel()
    caller.kill()
    caller.wait()
    [worker] = pids.iterdir()
    computing.wait_until(lambda: not computing.is_running(worker.name))


def test_cores() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
