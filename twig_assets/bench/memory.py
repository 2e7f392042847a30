"""Peak memory of a part of what a process does."""

import threading
from types import TracebackType

import psutil

_INTERVAL = 0.02


class PeakMemory:
    """A context manager that measures the peak resident memory of the whole process inside its `with` block.

    It samples every 20 ms, so it can miss a shorter peak. The figure includes what the process held before, such as a
    model.

    Attributes:
        mib: The peak in MiB, after the block has ended.
    """

    mib = 0.0

    def __enter__(self) -> "PeakMemory":
        self._process = psutil.Process()
        self._done = threading.Event()
        self._sample()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        self._sample()

    def _watch(self) -> None:
        while not self._done.wait(_INTERVAL):
            self._sample()

    def _sample(self) -> None:
        self.mib = max(self.mib, self._process.memory_info().rss / 2**20)
