"""The bars of the benchmark `campaign`, from its rows."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from twig_assets.bench.intervals import bootstrap_ratio
from twig_assets.bench.report import Bar

Row = dict[str, Any]


def bars(rows: Sequence[Row], cost: Row) -> list[Bar]:
    """All bars.

    Args:
        rows: One for each prompt, see `judging.rows`; some of them ordinary and some of works with a content.
        cost: See `cost.cost_row`.
    """
    ordinary, content = ([row for row in rows if row["kind"] == kind] for kind in ("ordinary", "content"))
    released = [row for row in rows if row["released"]]
    right = [row["released"] and row["as_asked"] for row in ordinary]
    memorised = sum(row["released"] and row["as_asked"] and not row["copy"] for row in content)
    held, wrong = _count(not row["released"] for row in ordinary), _count(not row["as_asked"] for row in released)
    copies = _count(row["copy"] for row in released)
    attempts = _mean("attempts_mean_ordinary", [row["attempts"] for row in ordinary], 1.3)
    return [
        _ratio("released_as_asked_ratio", right, [row["plain_as_asked"] for row in ordinary], 0.95),
        Bar.of_share("innocent_held_share", held, len(ordinary), goal=0.05, direction="<="),
        Bar(name="copies_released", value=copies, goal=0, direction="<="),
        Bar.of_share("released_wrong_share", wrong, len(released), goal=0.03, direction="<="),
        Bar.of_share("memorised_as_asked", memorised, len(content), goal=0.7, direction=">="),
        attempts,
        Bar(name="cost_ratio", value=cost["cost_ratio"], goal=1.5, direction="<="),
    ]


def _count(facts: Iterable[bool]) -> int:
    return sum(bool(fact) for fact in facts)


def _ratio(name: str, counted: Sequence[float], over: Sequence[float], goal: float) -> Bar:
    """A bar whose value is the ratio of two sums over the same prompts; 0 where the second is 0."""
    total = sum(over)
    interval = bootstrap_ratio(counted, over) if total else None
    return Bar(name=name, value=sum(counted) / total if total else 0.0, goal=goal, direction=">=", interval=interval)


def _mean(name: str, values: Sequence[float], goal: float) -> Bar:
    interval = bootstrap_ratio(values, [1] * len(values))
    return Bar(name=name, value=float(np.mean(values)), goal=goal, direction="<=", interval=interval)
