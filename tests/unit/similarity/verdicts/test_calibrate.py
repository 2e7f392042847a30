"""Proposed thresholds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twig_assets.similarity import CalibrationError, Policy, ReferenceImage, audit, calibrate
from twig_assets.similarity.verdicts.calibrate import propose
from twig_assets.similarity.verdicts.rule import Limit, Support, limits


def judged(ssim: float | None) -> dict[str, float | None] | None:
    return None if ssim is None else {"ssim": ssim}


def ssim_threshold(clean: list[float], wanted: float) -> float:
    found = propose([judged(score) for score in clean], [], Policy(), wanted, loosen=True)
    return found.policy.ssim_threshold


def test_a_policy_names_score_and_direction_of_its_thresholds() -> None:
    [first, *others] = limits(Policy().model_dump())
    witnesses = tuple(limit for limit in others if limit.score != "masked_ssim")
    assert first == Limit("ssim_threshold", "ssim", ">=", 0.6, 0.05, Support("iw_ssim", 0.35), witnesses)
    assert limits({"pdq_distance_at_most": 31, "min_side": 16}) == [
        Limit("pdq_distance_at_most", "pdq_distance", "<=", 31, share=0.43)
    ]


def test_a_limit_is_reached_in_its_direction_only() -> None:
    high, low = Limit("a_at_least", "a", ">=", 0.5), Limit("b_at_most", "b", "<=", 31)
    assert [high.reached(score) for score in (0.49, 0.5, 0.6, None)] == [False, True, True, False]
    assert [low.reached(score) for score in (32, 31, 0, None)] == [False, True, True, False]
    assert not high._replace(value=None).reached(1)


@given(
    st.lists(st.floats(-0.5, 0.9), min_size=2, max_size=60),
    st.floats(0.001, 0.9),
)
def test_no_more_clean_images_fail_than_wanted_and_one_step_lower_more_would(clean: list[float], wanted: float) -> None:
    threshold = ssim_threshold(clean, wanted)
    allowed = int(wanted * len(clean))
    assert sum(score >= threshold for score in clean) <= allowed
    if threshold != Policy().ssim_threshold and allowed < len(clean):
        assert sum(score >= threshold - 0.00101 for score in clean) > allowed


def test_the_figures_are_those_of_the_proposed_policy() -> None:
    clean = [judged(score / 1000) for score in range(100, 300)]
    copies = [judged(score) for score in (0.9, 0.8, 0.2)] + [judged(None)]
    found = propose(clean, copies, Policy(), 0.05, loosen=True)
    assert found.policy.ssim_threshold == pytest.approx(0.29)
    assert found.false_alarms == pytest.approx(0.05)
    assert 0.05 < found.upper < 0.1
    assert found.detected == pytest.approx(2 / 3)
    assert (found.images, found.copies, found.inconclusive) == (200, 3, 1)
    [proposal] = found.proposals
    assert proposal.copies == (0.9, 0.8, 0.2)
    assert found.policy.masked_ssim_threshold == Policy().masked_ssim_threshold


def test_several_thresholds_share_the_alarms() -> None:
    clean: list[dict[str, float | None] | None] = [
        {"ssim": i / 1000, "masked_ssim": (200 - i) / 1000} for i in range(200)
    ]
    found = propose(clean, [], Policy(), 0.1, loosen=True)
    assert [proposal.false_alarms for proposal in found.proposals] == pytest.approx([0.05, 0.05])
    assert found.false_alarms <= 0.1


@given(st.lists(st.tuples(st.floats(-0.5, 0.9), st.floats(-0.5, 0.9)), min_size=2, max_size=60), st.floats(0.001, 0.9))
def test_no_threshold_becomes_looser_and_no_more_clean_images_fail_than_wanted(
    clean: list[tuple[float, float]], wanted: float
) -> None:
    scores: list[dict[str, float | None] | None] = [{"ssim": ssim, "iw_ssim": weighted} for ssim, weighted in clean]
    found = propose(scores, [], Policy(), wanted)
    assert found.policy.ssim_threshold >= Policy().ssim_threshold
    assert found.policy.iw_ssim_threshold == Policy().iw_ssim_threshold
    assert found.false_alarms <= wanted
    assert found.false_alarms == sum(
        ssim >= found.policy.ssim_threshold and weighted >= 0.35 for ssim, weighted in clean
    ) / len(clean)


def test_plain_images_alike_by_ssim_alone_raise_no_threshold() -> None:
    found = propose([{"ssim": 0.9, "iw_ssim": 0.1}] * 20, [], Policy(), 0.01)
    assert found.policy == Policy()
    assert found.false_alarms == 0


@pytest.mark.parametrize(("images", "promise"), [(20, 0.139), (300, 0.00994)])
def test_what_so_many_images_can_promise(images: int, promise: float) -> None:
    found = propose([judged(0.1)] * images, [], Policy(), 0.01)
    assert found.promise == pytest.approx(promise, rel=0.01)
    assert found.upper == pytest.approx(found.promise)
    assert found.images_wanted == 300
    assert propose([judged(0.1)] * 9, [], Policy(), 0.001).images_wanted == 2995


def test_too_little_or_impossible_is_refused() -> None:
    with pytest.raises(CalibrationError, match="add clean images"):
        propose([judged(0.1), judged(None)], [], Policy(), 0.01)
    with pytest.raises(CalibrationError, match="as near to a reference as a copy"):
        propose([judged(1.0), judged(0.1)], [], Policy(), 0.01)
    with pytest.raises(CalibrationError, match="choose a share"):
        calibrate([], [], false_alarms=0)


def test_pictures_are_audited_against_the_corpus(works: np.ndarray, corpus: list[ReferenceImage]) -> None:
    clean, copies = list(works[4:]), [works[0][:, ::-1], np.full((40, 40, 3), 9, np.uint8)]
    done: list[int] = []
    found = calibrate(clean, corpus[:4], Policy(), copies=copies, progress=lambda: done.append(1))
    assert len(done) == 6
    assert (found.images, found.copies, found.inconclusive) == (4, 1, 1)
    assert found.detected == 1
    for picture in clean:
        assert audit(picture[None], corpus[:4], found.policy)[0].verdict != "fail"
    assert audit(copies[0][None], corpus[:4], found.policy)[0].verdict == "fail"
