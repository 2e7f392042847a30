"""The bars of the benchmark `ablation`, from its rows."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from twig_assets.bench.report import Bar

COMPOSED = "composed"
OURS, PAPER = "fast", "model_based"

Estimate: TypeAlias = tuple[float, tuple[float, float] | None]
"""A value and the bounds of its confidence interval, if it has one."""


def bars(rows: Sequence[dict[str, Any]]) -> list[Bar]:
    """The bars that these rows allow; those that compare two methods need both.

    A task that was not measured wins nothing, so a run of fewer tasks cannot reach thirteen of sixteen.
    """
    by_key = {(row["task"], row["method"]): row for row in rows}
    ours = [row for row in rows if row["method"] == OURS and row["task"] != COMPOSED]
    pairs = [(row, by_key[row["task"], PAPER]) for row in ours if (row["task"], PAPER) in by_key]
    result = _compared(pairs) if pairs else []
    result += _alone(ours)
    composed = by_key.get((COMPOSED, OURS))
    if composed:
        result += [
            *_at_most("composed_target_accuracy_max", [_estimate(composed, "target_share")], 0.15),
            *_at_most("composed_copy_share_max", [_estimate(composed, "copy_share")], 0.03),
            *_at_most("composed_surrounding_drop_max", [_estimate(composed, "surrounding_drop")], 0.045),
            *_at_most("unrelated_clip_drop", [_estimate(composed, "unrelated_drop")], 0.02),
        ]
    return result


def _compared(pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> list[Bar]:
    ratio = float(np.median([ours["cpu_seconds"] / paper["cpu_seconds"] for ours, paper in pairs]))
    removal = sum(_left(ours) <= _left(paper) for ours, paper in pairs)
    surrounding = sum(ours["surrounding_drop"]["low"] <= paper["surrounding_drop"]["high"] for ours, paper in pairs)
    return [
        Bar(name="cpu_ratio_median", value=ratio, goal=0.1, direction="<="),
        Bar(name="removal_wins", value=removal, goal=13, direction=">="),
        Bar(name="surrounding_wins", value=surrounding, goal=13, direction=">="),
    ]


def _alone(rows: Sequence[dict[str, Any]]) -> list[Bar]:
    return [
        *_at_most("target_accuracy_max", [_estimate(row, "target_share") for row in rows], 0.1),
        *_at_most("copy_share_max", [_estimate(row, "copy_share") for row in rows], 0.02),
        *_at_most("surrounding_drop_max", [_estimate(row, "surrounding_drop") for row in rows], 0.03),
        *_at_most("leakage_max", [_leakage(row) for row in rows], 0.1),
    ]


def _at_most(name: str, estimates: Sequence[Estimate | None], goal: float) -> list[Bar]:
    """A bar for the largest of some estimates, with its interval; none if there is no estimate."""
    known = [estimate for estimate in estimates if estimate is not None]
    if not known:
        return []
    value, interval = max(known, key=lambda estimate: estimate[0])
    return [Bar(name=name, value=value, goal=goal, direction="<=", interval=interval)]


def _estimate(row: dict[str, Any], name: str) -> Estimate | None:
    estimate = row[name]
    return None if estimate is None else (float(estimate["value"]), (estimate["low"], estimate["high"]))


def _leakage(row: dict[str, Any]) -> Estimate | None:
    return None if row["leakage"] is None else (row["leakage"], None)


def _left(row: dict[str, Any]) -> float:
    """What is left of the target: copies of a memorised work, else images in which CLIP sees it."""
    return float((row["copy_share"] or row["target_share"])["value"])
