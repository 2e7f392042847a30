"""Waiting for MLflow, whose server or database may never end its answer, no longer than the work may stand still."""

import os
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def patience() -> float:
    """Seconds that one answer of MLflow is waited for, by MLFLOW_HTTP_REQUEST_TIMEOUT; 5 if that is no number."""
    try:
        return max(0.0, float(os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"]))
    except (KeyError, ValueError):
        return 5.0


def answer_within(seconds: float, ask: Callable[[], Result]) -> Result:
    """Call a function in a thread, and leave it there when the time is over.

    The library's own time-out is for each read, so that a server which sends a byte now and then is never given up.

    Args:
        seconds: How long to wait, at least 0.
        ask: The function.

    Returns:
        What the function returns.

    Raises:
        TimeoutError: When the function has not returned in time; it goes on by itself, and ends with the process.
        Exception: Whatever the function raises.
    """
    results: list[Result] = []
    errors: list[Exception] = []

    def asked() -> None:
        try:
            results.append(ask())
        except Exception as error:  # it is raised again below, for the caller
            errors.append(error)

    thread = threading.Thread(target=asked, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"there was no whole answer within {seconds:g} s")
    return results[0]
