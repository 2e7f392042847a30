import numpy as np
import pytest

from twig_assets.model_zoo import planted
from twig_assets.regeneration import NoReferencesError, nearest_works
from twig_assets.regeneration.strategy import strategy_named
from twig_assets.settings.generation import GenerationSettings

PICTURES = np.stack([planted.picture(work) for work in planted.WORKS[:3]])


def test_the_nearest_works_are_found_whatever_way_up_they_are():
    turned = np.rot90(PICTURES[2])
    assert nearest_works(PICTURES[2:], [PICTURES[0], turned, PICTURES[1]], 1) == [1]
    assert nearest_works(PICTURES[2:], [PICTURES[0], turned], 5) == [0, 1]


def test_keeping_away_from_no_references_is_refused():
    strategy_named("references").check(GenerationSettings(), references=1)
    with pytest.raises(NoReferencesError, match="give references"):
        strategy_named("references").check(GenerationSettings(), references=0)
