"""The bars of the campaign benchmark, from rows."""

from typing import Any

import pytest

from twig_assets.bench.campaigns.end_to_end.bars import bars


def row(kind: str, released: bool = True, as_asked: bool = True, **further: Any) -> dict[str, Any]:
    plain = {"attempts": 1, "copy": False, "plain_as_asked": True}
    return {"kind": kind, "released": released, "as_asked": as_asked, **plain, **further}


ROWS = [
    *[row("ordinary") for _ in range(6)],
    row("ordinary", attempts=3),
    row("ordinary", as_asked=False),
    row("ordinary", released=False, as_asked=False),
    row("ordinary", released=False, plain_as_asked=False),
    row("content"),
    row("content", copy=True),
    row("content", as_asked=False),
    row("content", released=False),
    row("title", as_asked=False),
    row("title", released=False, copy=True),
]


def test_every_bar_counts_what_it_is_named_for() -> None:
    values = {bar.name: bar.value for bar in bars(ROWS, {"cost_ratio": 1.25})}
    assert values == pytest.approx(
        {
            "released_as_asked_ratio": 7 / 9,
            "innocent_held_share": 2 / 10,
            "copies_released": 1,
            "released_wrong_share": 3 / 12,
            "memorised_as_asked": 1 / 4,
            "attempts_mean_ordinary": 1.2,
            "cost_ratio": 1.25,
        }
    )


def test_shares_and_ratios_have_an_interval_with_the_value_inside() -> None:
    measured = {bar.name: bar for bar in bars(ROWS, {"cost_ratio": 1.25})}
    assert {name for name, bar in measured.items() if bar.interval is None} == {"copies_released", "cost_ratio"}
    assert all(bar.interval[0] <= bar.value <= bar.interval[1] for bar in measured.values() if bar.interval)


def test_where_the_plain_sampler_draws_nothing_right_the_ratio_misses_its_goal() -> None:
    hopeless = [row("ordinary", as_asked=False, plain_as_asked=False), row("content")]
    [ratio, *_] = bars(hopeless, {"cost_ratio": 1.0})
    assert (ratio.value, ratio.interval, ratio.holds) == (0.0, None, False)


def test_nothing_released_is_nothing_wrong_and_nothing_as_asked() -> None:
    measured = {
        bar.name: bar
        for bar in bars([row(kind, released=False) for kind in ("ordinary", "content")], {"cost_ratio": 1})
    }
    assert (measured["released_wrong_share"].value, measured["released_wrong_share"].interval) == (0, None)
    assert not any(
        measured[name].holds for name in ("released_as_asked_ratio", "innocent_held_share", "memorised_as_asked")
    )
