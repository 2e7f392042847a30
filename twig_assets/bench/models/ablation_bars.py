"""The bars of the benchmark `ablation`, from its rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from twig_assets.bench.report import Bar

COMPOSED = "composed"
OURS, PAPER = "fast", "model_based"


def bars(rows: Sequence[dict[str, Any]]) -> list[Bar]:
    """The bars that these rows allow; those that compare two methods need both.

    Where a task was not measured it wins nothing, so a run of fewer tasks cannot reach thirteen of sixteen.
    """
    by = {(row["task"], row["method"]): row for row in rows}
    ours = [row for row in rows if row["method"] == OURS and row["task"] != COMPOSED]
    pairs = [(row, by[row["task"], PAPER]) for row in ours if (row["task"], PAPER) in by]
    found = _compared(pairs) if pairs else []
    found += _alone(ours)
    composed = by.get((COMPOSED, OURS))
    if composed:
        found += [
            *_at_most("composed_target_accuracy_max", [_value(composed, "target_share")], 0.15),
            *_at_most("composed_copy_share_max", [_value(composed, "copy_share")], 0.03),
            *_at_most("composed_surrounding_drop_max", [_value(composed, "surrounding_drop")], 0.045),
            *_at_most("unrelated_clip_drop", [_value(composed, "unrelated_drop")], 0.02),
        ]
    return found


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
        *_at_most("target_accuracy_max", [_value(row, "target_share") for row in rows], 0.1),
        *_at_most("copy_share_max", [_value(row, "copy_share") for row in rows], 0.02),
        *_at_most("surrounding_drop_max", [_value(row, "surrounding_drop") for row in rows], 0.03),
        *_at_most("leakage_max", [row["leakage"] for row in rows], 0.1),
    ]


def _at_most(name: str, values: Sequence[float | None], goal: float) -> list[Bar]:
    known = [value for value in values if value is not None]
    return [Bar(name=name, value=max(known), goal=goal, direction="<=")] if known else []


def _value(row: dict[str, Any], name: str) -> float | None:
    return None if row[name] is None else float(row[name]["value"])


def _left(row: dict[str, Any]) -> float:
    """What is left of the target: copies of a memorised work, else images in which CLIP sees it."""
    return float((row["copy_share"] or row["target_share"])["value"])
