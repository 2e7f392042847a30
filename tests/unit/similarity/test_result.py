"""Audits against a corpus that has grown."""

import numpy as np
import pytest

from twig_assets.similarity import Policy, ReferenceImage, audit
from twig_assets.similarity.result import extended


@pytest.mark.parametrize("split", [1, 4, 7])
def test_it_says_what_one_audit_against_all_works_says(
    works: np.ndarray, corpus: list[ReferenceImage], split: int
) -> None:
    policy = Policy(ssim_threshold=0.6, review_margin=0.1)
    rng = np.random.default_rng(0)
    images = np.stack(
        [
            works[0],
            works[7][:, ::-1],
            rng.integers(0, 256, (64, 64, 3), dtype=np.uint8),
            np.full((64, 64, 3), 9, np.uint8),
        ]
    )
    earlier, later, whole = (audit(images, part, policy) for part in (corpus[:split], corpus[split:], corpus))
    for one, other, both in zip(earlier, later, whole, strict=True):
        for found in (extended(one, other), extended(other, one)):
            assert found.verdict == both.verdict
            assert found.scores["ssim"] == both.scores["ssim"]
            assert found.scores["pdq_distance"] == both.scores["pdq_distance"]
            assert found.nearest is both.nearest
            assert found.matches[:1] == both.matches[:1]
            assert [match.rank for match in found.matches] == list(range(1, len(both.matches) + 1))


def test_reasons_of_both_are_kept_when_both_fail(works: np.ndarray, corpus: list[ReferenceImage]) -> None:
    one, other = audit(works[:1], corpus[:1], Policy()), audit(works[:1], corpus[:1], Policy(ssim_threshold=0.7))
    assert extended(one[0], other[0]).reasons[:1] == one[0].reasons[:1]
    assert set(extended(one[0], other[0]).reasons) == {*one[0].reasons, *other[0].reasons}
