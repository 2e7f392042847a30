"""The one rule: from scores and thresholds to verdicts."""

import pytest

from twig_assets.similarity import SEVERITY, Limit, Policy, is_behind, limits, severity
from twig_assets.similarity.verdicts.rule import most_severe, triggered

POLICY = Policy(ssim_threshold=0.6, review_margin=0.1).model_dump()


@pytest.mark.parametrize(
    ("score", "verdict"), [(0.6, "fail"), (0.59, "review"), (0.5, "review"), (0.49, "pass"), (None, "pass")]
)
def test_a_structural_threshold_has_a_margin_in_which_a_person_looks(score: float | None, verdict: str) -> None:
    [limit] = [limit for limit in limits(POLICY) if limit.score == "ssim"]
    assert limit.verdict({"ssim": score, "iw_ssim": 0.9}) == verdict


@pytest.mark.parametrize(
    ("ssim", "borne_out", "verdict"),
    [
        (0.7, 0.35, "fail"),
        (0.7, 0.34, "review"),
        (0.7, 0.25, "review"),
        (0.95, 0.24, "pass"),
        (0.55, 0.9, "review"),
        (0.55, 0.26, "review"),
        (0.55, 0.24, "pass"),
        (0.4, 0.9, "pass"),
        (0.9995, 0.0, "fail"),
        (0.7, None, "fail"),
    ],
)
def test_ssim_counts_as_far_as_local_information_bears_it_out(
    ssim: float, borne_out: float | None, verdict: str
) -> None:
    for name, thresholds in (
        ("", POLICY),
        ("masked_", Policy(masked_ssim_threshold=0.6, review_margin=0.1).model_dump()),
    ):
        [limit] = [limit for limit in limits(thresholds) if limit.score == f"{name}ssim"]
        assert limit.verdict({f"{name}ssim": ssim, f"{name}iw_ssim": borne_out}) == verdict


@pytest.mark.parametrize(
    ("ssim", "informed", "hog", "pdq", "verdict"),
    [
        (0.75, 0.69, 0.5, 110, "review"),
        (0.75, 0.69, 0.73, 110, "fail"),
        (0.75, 0.69, 0.5, 72, "fail"),
        (0.75, 0.69, 0.5, 73, "review"),
        (0.75, 0.69, None, 110, "review"),
        (0.75, 0.69, None, None, "fail"),
        (0.75, 0.8, 0.0, 128, "fail"),
        (0.55, 0.69, 0.5, 110, "pass"),
        (0.55, 0.69, 0.73, 110, "review"),
        (0.75, 0.26, 0.5, 110, "pass"),
        (0.75, 0.26, 0.73, 110, "review"),
        (0.9995, 0.0, 0.0, 128, "fail"),
        (0.4, 0.9, 0.5, 110, "pass"),
    ],
)
def test_ssim_fails_an_image_where_a_detector_agrees_or_it_is_certain(
    ssim: float, informed: float, hog: float | None, pdq: int | None, verdict: str
) -> None:
    [limit] = [limit for limit in limits(POLICY) if limit.score == "ssim"]
    scores = {"ssim": ssim, "iw_ssim": informed, "hog_cosine": hog, "pdq_distance": pdq}
    assert limit.verdict(scores) == verdict


def test_detectors_have_no_say_inside_a_mask_nor_where_ssim_decides_alone() -> None:
    apart = {"hog_cosine": 0.1, "pdq_distance": 120}
    assert is_behind({"masked_ssim": 0.7, "masked_iw_ssim": 0.5, **apart}, POLICY, "fail")
    alone = Policy(ssim_threshold=0.6, iw_ssim_threshold=None).model_dump()
    assert is_behind({"ssim": 0.6, "iw_ssim": 0.0, **apart}, alone, "fail")


def test_ssim_decides_alone_where_the_policy_says_so() -> None:
    thresholds = Policy(ssim_threshold=0.6, iw_ssim_threshold=None).model_dump()
    assert is_behind({"ssim": 0.6, "iw_ssim": 0.0}, thresholds, "fail")


def test_a_detectors_threshold_has_no_margin() -> None:
    [limit] = [limit for limit in limits(POLICY) if limit.score == "hog_cosine"]
    assert (limit.verdict({"hog_cosine": 0.85}), limit.verdict({"hog_cosine": 0.849})) == ("fail", "pass")


def test_the_most_severe_verdict_counts() -> None:
    assert SEVERITY == ("fail", "review", "inconclusive", "pass")
    assert sorted(["pass", "inconclusive", "fail", "review"], key=severity) == list(SEVERITY)
    assert most_severe(["pass", "review", "pass"]) == "review"


def test_the_detectors_that_triggered_come_with_a_sentence_the_most_telling_first() -> None:
    scores = {"pdq_distance": 31, "hog_cosine": 0.9, "sift_inliers": 4, "alignment_strength": None}
    assert [tuple(trigger) for trigger in triggered(scores, POLICY)] == [
        ("pdq", "PDQ distance 31 is not above 31"),
        ("hog", "gradients alike by 0.900 reach 0.85"),
    ]
    off = Policy(pdq_distance_at_most=None, hog_cosine_at_least=None).model_dump()
    assert triggered(scores, off) == []


@pytest.mark.parametrize(
    ("scores", "verdict", "behind"),
    [
        ({"ssim": 0.6}, "fail", True),
        ({"ssim": 0.55}, "fail", False),
        ({"ssim": 0.55}, "review", True),
        ({"ssim": 0.7}, "review", True),
        ({"ssim": 0.2, "masked_ssim": 0.61}, "fail", True),
        ({"ssim": 0.2, "masked_ssim": None, "pdq_distance": 10}, "fail", True),
        ({"ssim": 0.2, "pdq_distance": 32}, "fail", False),
        ({"ssim": 0.9}, "pass", False),
        ({"ssim": 0.9}, "inconclusive", False),
    ],
)
def test_a_work_is_behind_a_verdict_that_the_image_would_have_for_it_alone(
    scores: dict[str, float | None], verdict: str, behind: bool
) -> None:
    assert is_behind(scores, POLICY, verdict) == behind


def test_thresholds_of_an_old_audit_may_lack_fields() -> None:
    assert is_behind({"ssim": 0.5}, {"ssim_threshold": 0.5}, "fail")
    assert not is_behind({"ssim": 0.49}, {"ssim_threshold": 0.5}, "review")
    assert limits({"pdq_distance_at_most": None, "min_side": 16}) == [
        Limit("pdq_distance_at_most", "pdq_distance", "<=", None, share=0.43)
    ]
