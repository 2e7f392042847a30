"""Telling how far a long step is."""

import dagster as dg


class ProgressResource(dg.ConfigurableResource):
    """Writes progress into the run's log; the terminal command replaces it by a progress bar."""

    def report(self, context: dg.AssetExecutionContext, done: int, total: int, what: str = "images") -> None:
        """Say that `done` of `total` are done."""
        context.log.info(f"{done} of {total} {what}")
