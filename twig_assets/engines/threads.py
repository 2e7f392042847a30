"""One thread per worker: several would compete for the cores, and may add up in another order."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from threadpoolctl import threadpool_limits

VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)
"""What the libraries read when they are loaded, so it has to be set before."""


@contextmanager
def single_threaded_children() -> Iterator[None]:
    """Let processes that start meanwhile load their libraries with one thread each."""
    with mock.patch.dict(os.environ, dict.fromkeys(VARIABLES, "1")):
        yield


@contextmanager
def single_threaded() -> Iterator[None]:
    """Let the libraries that are loaded in this process use one thread, and afterwards as many as before."""
    of_cv2 = _limited("cv2", "getNumThreads", "setNumThreads")
    of_torch = _limited("torch", "get_num_threads", "set_num_threads")
    with threadpool_limits(1), of_cv2, of_torch:
        yield


@contextmanager
def _limited(library: str, threads: str, limit: str) -> Iterator[None]:
    module = sys.modules.get(library)
    if module is None:
        yield
        return
    before = getattr(module, threads)()
    getattr(module, limit)(1)
    try:
        yield
    finally:
        getattr(module, limit)(before)
