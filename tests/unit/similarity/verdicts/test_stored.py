"""Verdicts of stored scores, against audits that score the image anew."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.similarity.test_audit import noisy
from twig_assets.similarity import AuditResult, Policy, ReferenceImage, audit, verdict_of_scores

limits = st.floats(0.05, 1.0)
policies = st.builds(
    Policy,
    ssim_threshold=limits,
    masked_ssim_threshold=limits,
    iw_ssim_threshold=st.none() | limits,
    review_margin=st.floats(0.0, 0.5),
)


@pytest.fixture(scope="session")
def pictures(works: np.ndarray) -> np.ndarray:
    """Copies from near to far, and a blank picture."""
    copies = [noisy(works[0], amount) for amount in (0, 20, 60, 120)]
    return np.stack([*copies, np.full_like(works[0], 200)])


@pytest.fixture(scope="session")
def masks(pictures: np.ndarray) -> np.ndarray:
    """A mask in the middle of every picture but the second, which has none."""
    found = np.zeros(pictures.shape[:3], bool)
    found[:, 16:48, 16:48] = True
    found[1] = False
    return found


@pytest.fixture(scope="session")
def audited(pictures: np.ndarray, masks: np.ndarray, corpus: list[ReferenceImage]) -> list[AuditResult]:
    return audit(pictures, corpus[:2], Policy(), masks=masks)


@settings(max_examples=20, deadline=None)
@given(policy=policies)
def test_a_changed_threshold_gives_the_verdict_that_a_new_audit_gives(
    policy: Policy,
    audited: list[AuditResult],
    pictures: np.ndarray,
    masks: np.ndarray,
    corpus: list[ReferenceImage],
) -> None:
    anew = audit(pictures, corpus[:2], policy, masks=masks)
    stored = [
        verdict_of_scores(one.scores, one.thresholds, one.verdict, policy, [match.scores for match in one.matches])
        for one in audited
    ]
    assert [one.verdict if one else None for one in stored] == [one.verdict for one in anew]


def judged(scores: dict[str, float | None], under: dict[str, Any], policy: Any, verdict: Any = "pass") -> str | None:
    found = verdict_of_scores(scores, under, verdict, policy, [scores])
    return found.verdict if found else None


STRUCTURAL: dict[str, float | None] = {"ssim": 0.5, "iw_ssim": 0.5, "masked_ssim": None, "masked_iw_ssim": None}
SCORES: dict[str, float | None] = {**STRUCTURAL, "contrast": 40.0, "mask_pixels": None}


@pytest.mark.parametrize("changed", [{"min_contrast": 60.0}, {"min_side": 32}, {"min_mask_pixels": 200}])
def test_a_change_of_what_can_be_judged_at_all_wants_a_new_audit(changed: dict[str, Any]) -> None:
    assert judged(SCORES, Policy().model_dump(), Policy(**changed)) is None


def test_an_image_that_could_not_be_judged_still_cannot() -> None:
    scores = dict.fromkeys(SCORES)
    assert judged(scores, Policy().model_dump(), Policy(ssim_threshold=0.1), "inconclusive") == "inconclusive"


KEPT: dict[str, float | None] = {**SCORES, "pdq_distance": 100.0, "hog_cosine": 0.2}
UNDER = Policy().model_dump()


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "pass"),
        ({"pdq_distance_at_most": 100}, "fail"),
        ({"pdq_distance_at_most": 99}, "pass"),
        ({"hog_cosine_at_least": 0.2}, "fail"),
        ({"hog_cosine_at_least": 0.21}, "pass"),
        ({"hog_cosine_at_least": None}, "pass"),
        ({"sift_inliers_at_least": 4}, None),
        ({"sift_inliers_at_least": None}, "pass"),
    ],
)
def test_a_limit_counts_in_its_direction_if_its_score_was_kept(changed: dict[str, Any], verdict: str | None) -> None:
    assert judged(KEPT, UNDER, Policy(**changed)) == verdict


def test_a_limit_on_a_score_that_was_not_computed_wants_a_new_audit() -> None:
    off = {**UNDER, "hog_cosine_at_least": None}
    assert judged({**KEPT, "hog_cosine": None}, off, Policy()) is None
    assert judged({**KEPT, "hog_cosine": None}, UNDER, Policy(hog_cosine_at_least=0.1)) == "pass"


def test_the_reasons_name_the_scores_behind_the_verdict() -> None:
    scores = {**KEPT, "masked_ssim": 0.7, "masked_iw_ssim": 0.4}
    found = verdict_of_scores(scores, UNDER, "pass", Policy(pdq_distance_at_most=100), [scores])
    assert found is not None
    assert found.reasons == [
        "masked ssim 0.700 reaches the limit 0.6, and weighted by information it is 0.400",
        "pdq distance 100.000 reaches the limit 100",
    ]
    assert found.decisive == "masked_ssim"


def test_ssim_of_one_work_is_not_borne_out_by_another() -> None:
    best = {**SCORES, "ssim": 0.9, "iw_ssim": 0.8}
    plain, alike = {**best, "iw_ssim": 0.1}, {**best, "ssim": 0.4}
    copied = {**best, "ssim": 0.7}
    assert verdict_of_scores(best, UNDER, "pass", Policy(), [plain, alike]) is None
    found = verdict_of_scores(best, UNDER, "pass", Policy(), [plain, alike, copied])
    assert found is not None
    assert found.verdict == "fail"
    assert found.reasons[0].startswith("ssim 0.700")
    innocent = verdict_of_scores({**best, "iw_ssim": 0.2}, UNDER, "fail", Policy(), [{**plain, "iw_ssim": 0.2}])
    assert innocent is not None
    assert innocent.verdict == "pass"


def test_an_audit_from_before_ssim_had_to_be_borne_out_is_made_again() -> None:
    old = {"ssim": 0.9, "masked_ssim": None}
    under = {name: value for name, value in UNDER.items() if name != "iw_ssim_threshold"}
    assert judged(old, under, Policy(), "fail") is None
    assert judged(old, under, Policy(iw_ssim_threshold=None), "fail") == "fail"
