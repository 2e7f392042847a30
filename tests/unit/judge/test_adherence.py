"""How much an image shows its prompt."""

import numpy as np
import pytest

from twig_assets.judge.adherence import margins


def test_an_image_is_compared_with_the_mean_of_the_other_prompts() -> None:
    similarity = np.array([[0.5, 0.1, 0.3], [0.2, 0.2, 0.2], [0.4, 0.3, 0.1]])
    assert margins(similarity, [0, 1, 2]) == pytest.approx([0.3, 0.0, -0.25])


def test_a_level_that_all_prompts_share_says_nothing() -> None:
    similarity = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 5))
    assert margins(similarity + 0.4, [0, 1, 2, 3]) == pytest.approx(margins(similarity, [0, 1, 2, 3]))


def test_one_prompt_alone_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="two prompts or more"):
        margins(np.ones((1, 1)), [0])
