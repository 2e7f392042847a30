"""Serving an application behind the guard, on loopback, as a process of its own below `twig ui`."""

import os
import signal
import threading

import uvicorn
from starlette.types import ASGIApp

from twig_assets.guard import Guard, Rules, read_settings

HOST = "127.0.0.1"
_LOOK_SECONDS = 2.0
_GOODBYE_SECONDS = 3


def serve_guarded(app: ASGIApp, rules: Rules, port: int) -> None:
    """Answer on a port until the process is asked to end, or the one that started it has gone.

    Args:
        app: What is served.
        rules: What it may be asked.
        port: Of loopback.
    """
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    uvicorn.run(
        Guard(app, rules, read_settings()),
        host=HOST,
        port=port,
        log_level="warning",
        server_header=False,
        # Pages keep their websocket open for as long as somebody looks at them.
        timeout_graceful_shutdown=_GOODBYE_SECONDS,
    )


def _end_with(parent: int) -> None:
    """End this process when its parent has died without having been able to end it."""
    gone = threading.Event()
    while os.getppid() == parent:
        gone.wait(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGINT)
