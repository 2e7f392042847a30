"""Audits."""

import numpy as np
import pytest

from twig_assets.similarity import EmptyCorpusError, Policy, ReferenceImage, ReferenceIndex, audit
from twig_assets.similarity.detectors.copies import transformed
from twig_assets.similarity.orientations import oriented

NO_DETECTORS = dict.fromkeys(
    (
        "pdq_distance_at_most",
        "hog_cosine_at_least",
        "edges_cosine_at_least",
        "sift_inliers_at_least",
        "alignment_strength_at_least",
    )
) | {"sscd_network": "none"}
POLICY = Policy(ssim_threshold=0.6, masked_ssim_threshold=0.7, review_margin=0.1, **NO_DETECTORS)
WITH_DETECTORS = Policy(ssim_threshold=1, masked_ssim_threshold=1)


def noisy(picture: np.ndarray, amount: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, amount, picture.shape)
    return (picture + noise).clip(0, 255).astype(np.uint8)


def with_score(work: np.ndarray, corpus: list[ReferenceImage], wanted: float) -> np.ndarray:
    """A copy of a work, as noisy as it takes to come within 0.01 of a wanted score."""
    low, high = 0.0, 200.0
    for _ in range(20):
        amount = (low + high) / 2
        copy = noisy(work, amount)
        score = audit(copy[None], corpus[:1], POLICY)[0].scores["ssim"]
        assert score is not None
        if abs(score - wanted) < 0.01:
            return copy
        low, high = (amount, high) if score > wanted else (low, amount)
    raise AssertionError(f"no copy scores {wanted}")


def test_each_work_is_found_in_each_of_its_copies(works: np.ndarray, corpus: list[ReferenceImage]) -> None:
    copies = np.stack([noisy(work, 8, seed=i) for i, work in enumerate(works)])
    for result, reference in zip(audit(copies, corpus, POLICY), corpus, strict=True):
        assert result.verdict == "fail"
        assert result.nearest is reference
        assert result.matches[0].reference_sha256 == reference.sha256
        assert result.matches[0].transform == "identity"
        assert result.matches[0].resized_from is None
        assert [match.rank for match in result.matches] == [1, 2, 3, 4, 5]
        scores = [match.ssim for match in result.matches]
        assert scores == sorted(scores, reverse=True)
        assert result.scores["ssim"] == scores[0]
        assert repr(reference.title) in result.reasons[0]
        assert "reaches the threshold 0.6" in result.reasons[0]


def test_a_mirrored_copy_fails_and_the_result_says_how_it_was_turned(
    works: np.ndarray, corpus: list[ReferenceImage]
) -> None:
    copy = oriented(works[2], "mirror-rotate-90")
    [result] = audit(copy[None], corpus, POLICY)
    assert result.verdict == "fail"
    assert result.matches[0].transform == "mirror-rotate-90"
    assert "(mirror-rotate-90)" in result.reasons[0]


@pytest.mark.parametrize(("score", "verdict"), [(0.62, "fail"), (0.55, "review"), (0.47, "pass")])
def test_verdicts_follow_threshold_and_margin(
    works: np.ndarray, corpus: list[ReferenceImage], score: float, verdict: str
) -> None:
    [result] = audit(with_score(works[0], corpus, score)[None], corpus, POLICY)
    assert result.verdict == verdict
    assert result.thresholds == POLICY.model_dump()
    assert result.nearest is corpus[0]


def test_a_score_equal_to_the_threshold_fails(works: np.ndarray, corpus: list[ReferenceImage]) -> None:
    copy = noisy(works[0], 9)[None]
    score = audit(copy, corpus, POLICY)[0].scores["ssim"]
    assert score is not None
    assert audit(copy, corpus, Policy(ssim_threshold=score, **NO_DETECTORS))[0].verdict == "fail"
    assert audit(copy, corpus, Policy(ssim_threshold=np.nextafter(score, 1), **NO_DETECTORS))[0].verdict == "review"


def test_an_object_copied_onto_another_ground_fails_by_its_mask_and_its_work_comes_first(
    works: np.ndarray, corpus: list[ReferenceImage]
) -> None:
    mask = np.zeros((64, 64), dtype=bool)
    mask[14:46, 18:50] = True
    pasted = np.where(mask[..., None], works[0], works[5])
    inner = np.zeros_like(mask)
    inner[19:41, 23:45] = True
    [result] = audit(pasted[None], corpus, POLICY, masks=inner[None])
    assert result.verdict == "fail"
    assert result.nearest is corpus[0]
    assert result.matches[0].reference_sha256 == corpus[0].sha256
    assert result.matches[1].ssim > result.matches[0].ssim
    [reason] = result.reasons
    assert reason.startswith("SSIM inside the mask")
    assert audit(pasted[None], corpus, POLICY)[0].verdict != "fail"


def test_a_mask_too_small_to_score_is_said_and_does_not_decide(works: np.ndarray, corpus: list[ReferenceImage]) -> None:
    mask = np.zeros((64, 64), dtype=bool)
    mask[30:36, 30:36] = True
    masks = np.stack([mask, np.zeros_like(mask)])
    for result, pixels in zip(audit(works[:2], corpus[2:], POLICY, masks=masks), (36, 0), strict=True):
        assert result.scores["masked_ssim"] is None
        assert result.matches[0].scores["masked_ssim"] is None
        assert result.matches[0].masked_transform is None
        assert f"too few pixels away from the edge for a score of its own ({pixels} in all)" in result.reasons[-1]


def test_a_blank_image_is_inconclusive_and_its_neighbours_are_judged(
    works: np.ndarray, corpus: list[ReferenceImage]
) -> None:
    blank = np.full((64, 64, 3), 250, np.uint8)
    blank[::9, ::9] = 245
    results = audit(np.stack([blank, works[0]]), corpus, POLICY, labels=["first", "second"])
    assert [(r.label, r.verdict) for r in results] == [("first", "inconclusive"), ("second", "fail")]
    assert results[0].nearest is None
    assert results[0].matches == []
    assert results[0].scores["ssim"] is None
    assert "the image is blank" in results[0].reasons[0]


@pytest.mark.parametrize("side", [1, 8, 15])
def test_a_tiny_image_is_inconclusive(corpus: list[ReferenceImage], side: int) -> None:
    tiny = np.random.default_rng(0).integers(0, 256, (1, side, 40, 3), dtype=np.uint8)
    [result] = audit(tiny, corpus, POLICY, masks=np.ones(tiny.shape[:3], dtype=bool))
    assert result.verdict == "inconclusive"
    assert f"40 x {side} px is too small" in result.reasons[0]


def test_a_reference_of_another_size_is_resized_and_the_match_says_so(
    works: np.ndarray, corpus: list[ReferenceImage]
) -> None:
    tall = ReferenceImage(corpus[0].path, "tall", "", "", "f" * 64, works[0].repeat(3, axis=0).repeat(2, axis=1))
    [result] = audit(works[:1], [tall], POLICY)
    assert result.verdict == "fail"
    assert result.matches[0].resized_from == (192, 128)


def test_the_versions_behind_a_verdict_are_recorded(works: np.ndarray, corpus: list[ReferenceImage]) -> None:
    import skimage

    [result] = audit(works[:1], corpus, POLICY)
    assert result.versions["scikit-image"] == skimage.__version__
    assert {"numpy", "scipy", "pillow", "opencv-python-headless", "pdqhash", "faiss-cpu"} < set(result.versions)


def test_a_copy_that_ssim_misses_fails_by_its_local_features(works: np.ndarray, corpus: list[ReferenceImage]) -> None:
    copy = transformed(works[3], "crop 75", np.random.default_rng(0), works[0])
    [result] = audit(copy[None], corpus, WITH_DETECTORS)
    assert result.verdict == "fail"
    assert result.nearest is corpus[3]
    assert "alignment" in result.matches[0].fired
    assert result.matches[0].copied == ("cropped",)
    assert result.matches[0].scores["alignment_strength"] == result.scores["alignment_strength"]
    assert f"a copy of {corpus[3].title!r} (cropped): SSIM" in result.reasons[0]
    assert result.scores["ssim"] is not None
    assert result.scores["ssim"] < 0.6


def test_detectors_that_are_turned_off_still_score_and_do_not_decide(
    works: np.ndarray, corpus: list[ReferenceImage]
) -> None:
    copy = transformed(works[3], "crop 75", np.random.default_rng(0), works[0])
    [result] = audit(copy[None], corpus, WITH_DETECTORS.model_copy(update=NO_DETECTORS))
    assert result.verdict == "pass"
    assert all(match.fired == () for match in result.matches)
    assert result.scores["sift_inliers"] == audit(copy[None], corpus, WITH_DETECTORS)[0].scores["sift_inliers"]


def test_the_works_are_no_copies_of_each_other(works: np.ndarray, corpus: list[ReferenceImage]) -> None:
    for i, work in enumerate(works):
        [result] = audit(work[None], [*corpus[:i], *corpus[i + 1 :]], WITH_DETECTORS)
        assert result.verdict == "pass"


def test_an_index_made_before_gives_the_same_result_and_one_of_other_works_is_refused(
    works: np.ndarray, corpus: list[ReferenceImage]
) -> None:
    index = ReferenceIndex(list(works))
    assert audit(works[:1], corpus, POLICY, index=index) == audit(works[:1], corpus, POLICY)
    with pytest.raises(ValueError, match="index: holds 8 works, there are 7 references"):
        audit(works[:1], corpus[1:], POLICY, index=index)


def test_no_images_give_no_results(works: np.ndarray, corpus: list[ReferenceImage]) -> None:
    assert audit(works[:0], corpus, POLICY) == []


def test_an_audit_against_nothing_is_refused(works: np.ndarray) -> None:
    with pytest.raises(EmptyCorpusError, match="would pass everything"):
        audit(works, [], POLICY)


def test_input_of_another_kind_is_refused(works: np.ndarray, corpus: list[ReferenceImage]) -> None:
    with pytest.raises(ValueError, match="images: expected uint8"):
        audit(works / 255, corpus, POLICY)
    with pytest.raises(ValueError, match="labels: 1 names for 8 images"):
        audit(works, corpus, POLICY, labels=["one"])
    with pytest.raises(ValueError, match="masks: expected bool"):
        audit(works, corpus, POLICY, masks=np.ones((8, 64, 64), np.uint8))
