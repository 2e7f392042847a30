"""Progress bars of an audit, on standard error."""

import sys
from typing import Any

from tqdm import tqdm


class Bar:
    """Progress with rate and time left; nothing is shown before something is expected."""

    def __init__(self, what: str, unit: str, on: bool) -> None:
        self._what, self._unit, self._on = what, unit, on
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def reach(self, done: int, total: int) -> None:
        """Show that `done` of `total` are done."""
        if self._bar is None:
            self._bar = tqdm(
                total=total,
                desc=self._what,
                unit=f" {self._unit}",
                unit_scale=True,
                dynamic_ncols=True,
                disable=not self._on,
                mininterval=0.1 if sys.stderr.isatty() else 10,
            )
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._bar.close()


class CompareBars:
    """Two bars: pairs compared, and images judged."""

    def __init__(self, what: str, on: bool) -> None:
        self._bars = (Bar(f"{what}: comparing", "pairs", on), Bar(f"{what}: judging", "", on))
        self._done, self._total = [0, 0], [0, 0]

    def __enter__(self) -> "CompareBars":
        return self

    def __exit__(self, *error: object) -> None:
        for bar in self._bars:
            bar.__exit__(*error)

    def expect(self, queries: int, pairs: int) -> None:
        """See `Progress`."""
        self._total = [pairs, queries]

    def compared(self, pairs: int) -> None:
        """See `Progress`."""
        self._advance(0, pairs)

    def judged(self) -> None:
        """See `Progress`."""
        self._advance(1, 1)

    def _advance(self, which: int, count: int) -> None:
        self._done[which] += count
        self._bars[which].reach(self._done[which], self._total[which])
