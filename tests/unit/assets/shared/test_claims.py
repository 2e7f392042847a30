"""Runs beside one another: of two batches, and of the same."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.partitions import prompt_batches
from twig_assets.resources import CatalogResource


class Runs:
    """Runs of an asset in threads, and which were at work at the same time."""

    def __init__(self, url: str, patience: float) -> None:
        self.patience = patience
        self.url, self.at_work, self.together, self.said = url, set[str](), set[frozenset[str]](), list[str]()
        self._guard, self._both = threading.Lock(), threading.Barrier(2)

    def start(self, name: str, batch: str) -> threading.Thread:
        context: Any = SimpleNamespace(
            partition_key=batch,
            assets_def=SimpleNamespace(partitions_def=prompt_batches),
            log=SimpleNamespace(info=self.said.append),
        )

        @one_run_at_a_time
        def make(context: Any, catalog: CatalogResource) -> None:
            with self._guard:
                self.at_work.add(name)
                self.together.add(frozenset(self.at_work))
            try:
                # Both, or long enough for the other to come if nothing kept it.
                self._both.wait(self.patience)
            except threading.BrokenBarrierError:
                self._both.reset()
            with self._guard:
                self.at_work.remove(name)

        thread = threading.Thread(target=make, args=(context,), kwargs={"catalog": CatalogResource(url=self.url)})
        thread.start()
        return thread


@pytest.mark.parametrize(("batches", "together"), [(("one-000", "other-000"), True), (("one-000", "one-000"), False)])
def test_batches_of_two_campaigns_are_worked_on_together_and_one_batch_by_one_run(
    batches: tuple[str, str], together: bool, database_url: str
) -> None:
    CatalogResource(url=database_url).open().close()
    runs = Runs(database_url, patience=60 if together else 0.5)
    threads = [runs.start(str(i), batch) for i, batch in enumerate(batches)]
    for thread in threads:
        thread.join(120)
    assert (frozenset({"0", "1"}) in runs.together) is together
    waiting = ["another process works on one-000; waiting until it has finished"]
    assert runs.said == ([] if together else waiting)
