"""`twig`, killed at a given point: `... kill_points ASSET EVENT NUMBER -- ARGUMENTS OF TWIG`, as a module.

EVENT is one of EVENTS. The process sends itself SIGKILL when EVENT happens for the NUMBERth time while ASSET is being
materialized.
"""

import os
import runpy
import signal
import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from twig_assets.catalog.store import ArtifactStore
from twig_assets.reports import dated
from twig_assets.tracking import Sender

EVENTS = ("before commit", "after commit", "before rename", "after rename", "before tracking", "before page")


def main(asset: str, point: str, number: int, arguments: list[str]) -> None:
    """Run the command; it does not come back unless the point is never reached.

    Args:
        asset: The asset during whose materialization the process is killed.
        point: One of EVENTS.
        number: The time, from 1, that the event happens during that asset.
        arguments: Of `twig`.
    """
    count = 0

    def kill_when_due(*_: object) -> None:
        nonlocal count
        if _materializing(asset):
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

    _call_at(point, kill_when_due)
    sys.argv = ["twig", *arguments]
    runpy.run_module("twig_assets.cli", run_name="__main__")


def _materializing(asset: str) -> bool:
    """Whether the asset's module is on the call stack."""
    frame: Any = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == f"twig_assets.assets.{asset}":
            return True
        frame = frame.f_back
    return False


def _call_at(point: str, listener: Callable[..., None]) -> None:
    if point.endswith("commit"):
        event.listen(Session, point.replace(" ", "_"), listener)
        return
    owner, name = {
        "before rename": (ArtifactStore, "_move"),
        "after rename": (ArtifactStore, "_move"),
        "before tracking": (Sender, "send_or_keep"),
        "before page": (dated, "render"),
    }[point]
    plain = getattr(owner, name)

    def watched(*arguments: Any, **named: Any) -> Any:
        if point.startswith("before"):
            listener()
        result = plain(*arguments, **named)
        if point.startswith("after"):
            listener()
        return result

    setattr(owner, name, watched)


if __name__ == "__main__":
    end = sys.argv.index("--")
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[end + 1 :])
