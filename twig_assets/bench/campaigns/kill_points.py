"""`twig`, killed at a given point: `... kill_points ASSET EVENT NUMBER -- ARGUMENTS OF TWIG`, as a module.

EVENT is one of EVENTS; the process sends itself SIGKILL at its NUMBERth time while ASSET is being made.
"""

import os
import runpy
import signal
import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

EVENTS = ("before commit", "after commit", "before rename", "after rename", "before tracking", "before page")


def main(asset: str, at: str, number: int, arguments: list[str]) -> None:
    """Run the command; it does not come back unless the point is never reached."""
    seen = 0

    def die(*_: object) -> None:
        nonlocal seen
        if _making(asset):
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    _listen(at, die)
    sys.argv = ["twig", *arguments]
    runpy.run_module("twig_assets.cli", run_name="__main__")


def _making(asset: str) -> bool:
    frame: Any = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == f"twig_assets.assets.{asset}":
            return True
        frame = frame.f_back
    return False


def _listen(at: str, die: Callable[..., None]) -> None:
    from twig_assets.assets import compliance_report
    from twig_assets.catalog.store import ArtifactStore
    from twig_assets.tracking import Sender

    if at.endswith("commit"):
        event.listen(Session, at.replace(" ", "_"), die)
        return
    owner, name = {
        "before rename": (ArtifactStore, "_move"),
        "after rename": (ArtifactStore, "_move"),
        "before tracking": (Sender, "send_or_keep"),
        "before page": (compliance_report, "render"),
    }[at]
    plain = getattr(owner, name)

    def watched(*given: Any, **named: Any) -> Any:
        if at.startswith("before"):
            die()
        made = plain(*given, **named)
        if at.startswith("after"):
            die()
        return made

    setattr(owner, name, watched)


if __name__ == "__main__":
    end = sys.argv.index("--")
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[end + 1 :])
