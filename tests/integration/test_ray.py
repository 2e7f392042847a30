"""A Ray cluster of two nodes on this machine, and what it computes beside what this process computes."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from tests.integration.conftest import CampaignWorkspace, Ended, Workspaces, recompose
from tests.unit.compliance.audited_campaign import made_setting, noise
from tests.unit.engines import computing
from tests.unit.engines.computing import CONTEXT, numbered
from twig_assets.bench.audit.engines import picture
from twig_assets.bench.audit.ray_nodes import ray_nodes
from twig_assets.catalog.hashing import canonical_json
from twig_assets.engines import Engine, Shard, WorkerDiedError, opened_engine
from twig_assets.folder_audit import audit_folder
from twig_assets.resources.engine import EngineResource, end_engines
from twig_assets.settings.engines import EngineSettings
from twig_assets.similarity import Policy

# Not importorskip, since Ray reads its environment when it is imported.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install -e '.[ray]'")


DRAWN = ["generated_images", "masks", "regenerated_images"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes with two cores each."""
    with ray_nodes(2, 2) as started:
        yield started


@contextmanager
def on(cluster: Any, workers: int | None = None) -> Iterator[Engine]:
    """The engine on the cluster."""
    with opened_engine(EngineSettings(engine="ray", address=cluster.address, workers=workers)) as engine:
        yield engine


def test_same_bytes_with_one_two_and_four_workers_as_in_this_process(cluster: Any) -> None:
    with opened_engine(EngineSettings(workers=1)) as here:
        expected = list(here.map(computing.product, numbered(8), CONTEXT))
    for workers in (1, 2, 4):
        with on(cluster, workers) as engine:
            assert engine.workers == workers
            assert list(engine.map(computing.product, numbered(8), CONTEXT)) == expected


def test_actors_give_the_same_bytes_with_one_two_and_four_and_open_a_model_once(cluster: Any) -> None:
    with opened_engine(EngineSettings(workers=1)) as here:
        expected = list(here.map(computing.product, numbered(8), CONTEXT))
    drawing = replace(CONTEXT, draws=True)
    for workers in (1, 2, 4):
        with on(cluster, workers) as engine:
            processes = set(engine.map(computing.by_whom, numbered(8), drawing))
            assert list(engine.map(computing.product, numbered(8), drawing)) == expected
            processes |= set(engine.map(computing.by_whom, numbered(8), drawing))
            assert 1 <= len(processes) <= workers
            assert list(engine.map(computing.product, numbered(8), CONTEXT)) == expected, "tasks find room"


def test_edits_masks_and_images_are_made_the_same_although_an_actor_is_killed(
    cluster: Any,
    first_run: tuple[CampaignWorkspace, Ended],
    recomposed: CampaignWorkspace,
    redrawn: CampaignWorkspace,
    workspaces: Workspaces,
    tmp_path: Path,
) -> None:
    by_one = workspaces.copy(recomposed, tmp_path / "one")
    by_one.materialize(DRAWN, "tiny-000", engine=on_workers(cluster, 1))
    by_four = workspaces.copy(first_run[0], tmp_path / "four")
    recompose(by_four, engine=on_workers(cluster, 4))
    with killed_once("drawing") as killed:
        by_four.materialize(DRAWN, "tiny-000", engine=on_workers(cluster, 4))
    end_engines()
    assert killed == [True]
    assert by_one.images() == by_four.images() == redrawn.images()
    assert by_one.masks() == by_four.masks() == redrawn.masks()
    assert by_four.edits() == redrawn.edits()


def on_workers(cluster: Any, count: int) -> EngineResource:
    return EngineResource(engine="ray", address=cluster.address, workers=count)


def test_audits_of_a_campaign_leave_the_same_rows(cluster: Any, tmp_path: Path) -> None:
    rows = []
    with ExitStack() as opened:
        engines = [opened.enter_context(opened_engine(EngineSettings(workers=workers))) for workers in (1, 2)]
        engines.append(opened.enter_context(on(cluster, 2)))
        for i, engine in enumerate(engines):
            setting = opened.enter_context(made_setting(tmp_path / str(i)))
            recall = setting.audit(engine).recall
            setting.add_work("c", noise(6))
            audited = setting.audit(engine)
            columns = ("verdict", "reasons", "scores", "thresholds", "versions", "nearest_reference_id")
            of_audits = [{name: getattr(row, name) for name in columns} for row in setting.audits().values()]
            rows.append(canonical_json([of_audits, [result.as_row() for _, result in audited.results], str(recall)]))
    assert rows[0] == rows[1] == rows[2]
    assert '"fail"' in rows[0]


def test_a_folder_audit_writes_the_same_bytes_although_a_worker_is_killed(cluster: Any, tmp_path: Path) -> None:
    works, images = tmp_path / "works", tmp_path / "images"
    for folder, seeds in ((works, range(4)), (images, range(2, 14))):
        folder.mkdir()
        for seed in seeds:
            Image.fromarray(picture(seed)[::2, ::2]).save(folder / f"{seed:02}.png")
    runs: dict[str, EngineSettings] = {
        "in process": EngineSettings(workers=1),
        "processes": EngineSettings(workers=2),
        "ray": EngineSettings(engine="ray", address=cluster.address, workers=2),
    }
    written = {}
    for name, settings in runs.items():
        with killed_once(name) as killed:
            audit_folder(images, works, Policy(), tmp_path / name, sample=1, engine=settings)
        assert killed == ([] if name == "in process" else [True])
        files = ("audit.csv", "audit.parquet", "gallery.html", "summary.json")
        # Only the page says when it was made.
        written[name] = [re.sub(rb"<time.*?</time>", b"", (tmp_path / name / file).read_bytes()) for file in files]
    assert written["in process"] == written["processes"] == written["ray"]


@contextmanager
def killed_once(engine: str) -> Iterator[list[bool]]:
    """Kill a worker as soon as it compares images, or draws them."""
    killed: list[bool] = []
    over = threading.Event()

    def at_work(process: psutil.Process) -> bool:
        if engine == "ray":
            # Ray gives a worker's process the name of its task.
            return process.cmdline()[:1] == ["ray::02.png"]
        if engine == "drawing":
            return process.cmdline()[:1] == ["ray::images 1 of tiny-000"] and process.cpu_times().user > 1
        return "spawn_main" in " ".join(process.cmdline()) and process.cpu_times().user > 1

    def kill() -> None:
        while not over.wait(0.01):
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    if at_work(process):
                        process.kill()
                        killed.append(True)
                        return

    thread = threading.Thread(target=kill)
    if engine != "in process":
        thread.start()
    yield killed
    over.set()
    if thread.ident is not None:
        thread.join()


def test_a_shard_whose_worker_was_killed_is_computed_again(cluster: Any, tmp_path: Path) -> None:
    shards = [Shard(f"number {i}", (i, tmp_path / "killed")) for i in range(8)]
    with on(cluster) as engine:
        assert list(engine.map(computing.dies_once, shards, CONTEXT)) == [10 * i for i in range(8)]
    assert (tmp_path / "killed").exists()


def test_both_nodes_compute(cluster: Any) -> None:
    with on(cluster) as engine:
        assert engine.workers == 4
        assert len(set(engine.map(computing.where, numbered(16), CONTEXT))) == 2


def test_what_a_function_raises_is_raised_here(cluster: Any) -> None:
    with on(cluster) as engine, pytest.raises(ValueError, match="3 is bad") as raised:
        list(engine.map(computing.failing, numbered(9), CONTEXT))
    assert raised.value.__notes__[0] == "while computing number 3"


def test_a_shard_that_kills_every_worker_is_named(cluster: Any) -> None:
    with on(cluster) as engine, pytest.raises(WorkerDiedError, match="number 4: the workers .* fewer workers"):
        list(engine.map(computing.dies, numbered(5), CONTEXT))


def test_closing_ends_what_is_computed(cluster: Any, tmp_path: Path) -> None:
    shards: list[Shard[Path | None]] = [Shard("at once", None), Shard("slow", tmp_path)]
    with on(cluster, 2) as engine:
        with closing(engine.map(computing.sleeps, shards, CONTEXT)) as results:
            next(results)
            computing.wait_until(lambda: bool(list(tmp_path.iterdir())))
        [worker] = tmp_path.iterdir()
        computing.wait_until(lambda: not computing.is_running(worker.name))


def test_a_node_that_is_lost_costs_no_result(cluster: Any) -> None:
    """Comes last: the cluster has one node afterwards."""
    with on(cluster) as engine, closing(engine.map(computing.slowly, numbered(12), CONTEXT)) as results:
        first = next(results)
        [node] = cluster.worker_nodes
        cluster.remove_node(node, allow_graceful=False)
        assert [first, *results] == [10 * i for i in range(12)]


OF_ITS_OWN = """
import psutil
from tests.unit.engines import computing
from twig_assets.engines import opened_engine
from twig_assets.settings.engines import EngineSettings
with opened_engine(EngineSettings(engine="ray", workers=1)) as engine:
    print(list(engine.map(computing.times, computing.numbered(3), computing.CONTEXT)))
    own = psutil.Process()
    connections = [c for process in [own, *own.children(recursive=True)] for c in process.net_connections("tcp")]
    print(sorted({c.laddr.ip.removeprefix("::ffff:") for c in connections if c.status == "LISTEN"}))
    drawing = computing.Context(computing.opened, (2, None), draws=True)
    drew, _, again = (
        set(engine.map(computing.by_whom, computing.numbered(2), context))
        for context in (drawing, computing.CONTEXT, drawing)
    )
    print("the same one draws again:", drew == again)
"""


def test_without_an_address_a_ray_is_started_that_nothing_outside_reaches(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment = {**kept, "PYTHONPATH": os.getcwd(), "HOME": str(tmp_path)}
    arguments = [sys.executable, "-c", OF_ITS_OWN]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines() == ["[0, 10, 20]", "['127.0.0.1']", "the same one draws again: True"]
    assert not list(tmp_path.iterdir())
