"""Peak memory of a piece of work within a process that does others too."""

import threading
from types import TracebackType

import psutil

_INTERVAL = 0.02


class PeakMemory:
    """Context manager; afterwards `mib` is the most resident memory the whole process had meanwhile, in MiB.

    It looks every 20 ms, so a shorter peak can be missed, and it holds what the process had before, such as the model.
    """

    mib = 0.0

    def __enter__(self) -> "PeakMemory":
        self._process = psutil.Process()
        self._done = threading.Event()
        self._look()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._done.wait(_INTERVAL):
            self._look()

    def _look(self) -> None:
        self.mib = max(self.mib, self._process.memory_info().rss / 2**20)
