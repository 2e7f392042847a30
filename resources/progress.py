"""Reporting how far a long step is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg

# Run id, asset, done, total, of what.
Listener = Callable[[str, str, int, int, str], None]
_listeners: list[Listener] = []
# Every report is an entry of the run's log.
_STEPS_APART = 10


class ProgressResource(dg.ConfigurableResource):
    """Writes progress into the run's log and passes it on to the listeners in this process."""

    def reporter(self, context: dg.AssetExecutionContext, what: str = "images") -> Callable[[int, int], None]:
        """A function that reports for an asset; it takes how many `what` are finished, and of how many."""
        return lambda done, total: self.report(context, done, total, what)

    def steps(self, context: dg.AssetExecutionContext, total: int) -> Callable[[int, float], None]:
        """A function that reports a training; it takes the steps done and the loss, and reports every tenth step."""

        def report(done: int, _: float) -> None:
            if done % _STEPS_APART == 0 or done == total:
                self.report(context, done, max(done, total), "training steps")

        return report

    def report(self, context: dg.AssetExecutionContext, done: int, total: int, what: str = "images") -> None:
        """Report that `done` of `total` are finished."""
        asset = context.asset_key.to_user_string()
        context.log.info(f"{done} of {total} {what}")
        for listener in _listeners:
            listener(context.run.run_id, asset, done, total, what)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` called for every report made in this process, until the `with` block ends."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
