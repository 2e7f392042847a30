"""Recall measured on planted copies."""

import numpy as np

from twig_assets.similarity import Policy, ReferenceImage, ReferenceIndex, planted_recall
from twig_assets.similarity.detectors.copies import TRANSFORMS

BLIND = Policy(
    ssim_threshold=1,
    pdq_distance_at_most=None,
    hog_cosine_at_least=None,
    edges_cosine_at_least=None,
    sift_inliers_at_least=None,
    alignment_strength_at_least=None,
    sscd_network="none",
)


def test_most_copies_of_the_works_are_found_and_the_same_ones_each_time(
    works: np.ndarray, corpus: list[ReferenceImage]
) -> None:
    index = ReferenceIndex(list(works))
    found = planted_recall(corpus, Policy(), index, works[:2])
    assert found.copies == len(TRANSFORMS)
    assert found.found + len(found.missed) == found.copies
    assert found.found >= 15
    assert found.exact
    assert found.search == 1
    assert found == planted_recall(corpus, Policy(), index, works[:2])


def test_a_policy_that_sees_only_equal_pictures_misses_the_others_by_name(
    works: np.ndarray, corpus: list[ReferenceImage]
) -> None:
    index = ReferenceIndex(list(works))
    found = planted_recall(corpus, BLIND, index, works[:2])
    assert found.found < 6
    assert found.candidates >= 15
    assert any(one.startswith("crop 50: ") for one in found.missed)
    assert not any(one.startswith("identical: ") for one in found.missed)


def test_an_inexact_search_is_measured_against_the_exact_one(works: np.ndarray, corpus: list[ReferenceImage]) -> None:
    index = ReferenceIndex(list(works), exact_up_to=4)
    found = planted_recall(corpus, Policy(candidates=2), index, works[:2])
    assert not found.exact
    assert 0 < found.search <= 1
