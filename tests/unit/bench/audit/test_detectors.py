"""How the benchmark `detectors` sets thresholds and counts."""

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twig_assets.bench.audit.asking import Asked, measured
from twig_assets.bench.audit.copy_sets import CopySet
from twig_assets.bench.audit.detectors import (
    Outcome,
    SampleSizes,
    exceeds,
    policy_limits,
    questions,
    summarised,
    thresholds,
)
from twig_assets.bench.audit.further_copies import TRANSFORMS
from twig_assets.similarity import Policy
from twig_assets.similarity.detectors.registry import detectors

PEER_HASHES = ("imagededup PHash", "perception PHash")


def ours(reached: bool) -> dict[str, float]:
    """Scores of our detectors just beyond the default thresholds, or far from them."""
    return {name: limit + 1e-6 if reached else limit - 10 for name, limit in policy_limits().items()}


def stranger(score: float, reached: bool = False) -> Asked:
    return Asked("noise", {}, {**ours(reached), **dict.fromkeys(PEER_HASHES, score)}, False)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=80), st.floats(0, 0.5))
def test_a_union_keeps_within_its_allowance_on_what_it_was_set_on(
    scores: list[tuple[float, float]], allowance: float
) -> None:
    asked = [Asked("noise", {}, {"a": a, "b": b}, False) for a, b in scores]
    limits = thresholds(asked, ["a", "b"], allowance)
    assert np.mean([exceeds(one.others, limits) for one in asked]) <= allowance


def outcome(name: str, theirs: float, missed: tuple[str, ...] = (), alarms: bool = False) -> Outcome:
    corpus = CopySet(name, [np.zeros((1, 1, 3), np.uint8)], ["a"], [])
    copies = [
        Asked(
            transform,
            {**ours(transform not in missed), **dict.fromkeys(PEER_HASHES, theirs)},
            {**ours(False), **dict.fromkeys(PEER_HASHES, 0.1)},
            True,
        )
        for transform in TRANSFORMS
        for _ in range(2)
    ]
    strangers = [stranger(0.1, alarms)] * 9 + [stranger(0.05)]
    return Outcome(corpus, copies, [*strangers, Asked("noise", {}, strangers[0].others, False, plain=True)])


def bars(*outcomes: Outcome) -> dict[str, float]:
    return {bar.name: bar.value for bar in summarised(outcomes).bars}


def test_bars_count_what_is_found_and_what_is_wrong() -> None:
    found = bars(outcome("art", 0, missed=("crop 50",)), outcome("photographs", 0, alarms=True))
    assert found == {
        "false_alarms_per_query": 10 / 22,
        "recall_photos_mean": 1.0,
        "recall_photos_mean_without_sscd": 1.0,
        "recall_art_mean": 35 / 36,
        "recall_art_mean_without_sscd": 35 / 36,
        "transforms_beating_best_peer": 36,
    }


def test_plain_strangers_are_counted_with_the_others_and_shown_apart() -> None:
    rows = summarised([outcome("art", 0, alarms=True), outcome("photographs", 0)]).rows
    shown = {
        row["strangers"]: (row["false_alarms"], row["queries"])
        for row in rows
        if row["kind"] == "false_alarms" and row["detector"] == "union" and row["corpus"] == "art"
    }
    assert shown == {"all": (10, 11), "plain": (1, 1), "other": (9, 10)}


def test_what_is_left_to_a_person_is_neither_found_nor_a_false_alarm_and_is_shown() -> None:
    left = outcome("art", 0, missed=("text",))
    copies = [replace(copy, own_review=True) for copy in left.copies]
    strangers = [replace(stranger, others_review=True) for stranger in left.strangers]
    found = summarised([replace(left, copies=copies, strangers=strangers), outcome("photographs", 0)])
    assert {bar.name: bar.value for bar in found.bars}["recall_art_mean"] == 35 / 36
    assert {bar.name: bar.value for bar in found.bars}["false_alarms_per_query"] == 0
    shown = {
        row["transform"]: (row["found"], row["reviews"])
        for row in found.rows
        if (row["kind"], row.get("corpus"), row.get("detector")) == ("recall", "art", "union")
    }
    assert (shown["text"], shown["noise"]) == ((0, 2), (2, 0))
    [alarms] = [
        row
        for row in found.rows
        if (row["kind"], row.get("corpus"), row.get("detector"), row.get("strangers"))
        == ("false_alarms", "art", "union", "all")
    ]
    assert (alarms["false_alarms"], alarms["reviews"]) == (0, 11)


def test_each_transform_is_asked_as_often_and_of_as_many_works() -> None:
    pictures = [np.zeros((1, 1, 3), np.uint8)] * 90
    corpus = CopySet("art", pictures, ["a"] * 90, pictures[:7], plain_strangers=pictures[:5])
    asked = questions(corpus, SampleSizes(copied=2, strangers=40, plain=9))
    kinds = Counter(question.kind for question in asked)
    assert kinds == {"copy": 72, "stranger": 40, "plain": 9}
    copies = [question for question in asked if question.kind == "copy"]
    assert set(Counter(question.transform for question in copies).values()) == {2}
    assert len({question.picture for question in copies}) == 72
    assert asked == questions(corpus, SampleSizes(copied=2, strangers=40, plain=9))


def test_a_transform_that_a_peer_finds_more_of_is_not_beaten() -> None:
    found = summarised([outcome("art", 0.9, missed=("text", "noise")), outcome("photographs", 0.9)])
    assert {bar.name: bar.value for bar in found.bars}["transforms_beating_best_peer"] == 34
    [row] = [row for row in found.rows if row["kind"] == "not_beaten"]
    assert {miss["transform"] for miss in row["transforms"]} == {"text", "noise"}


def test_a_score_that_fails_the_default_policy_exceeds_and_a_better_one_does_not() -> None:
    found, policy = policy_limits(), Policy()
    off = {detector.name for detector in detectors() if policy.model_dump().get(detector.field.name) is None}
    assert set(found) == set(measured()) - off
    assert policy.hog_cosine_at_least is not None
    assert policy.pdq_distance_at_most is not None
    for name, reached, short in (
        ("hog", policy.hog_cosine_at_least, policy.hog_cosine_at_least - 1e-6),
        ("pdq", -policy.pdq_distance_at_most, -policy.pdq_distance_at_most - 1),
    ):
        assert exceeds({name: reached}, {name: found[name]})
        assert not exceeds({name: short}, {name: found[name]})
