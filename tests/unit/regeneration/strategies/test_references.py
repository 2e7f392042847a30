import numpy as np
import pytest
import torch

from tests.unit.regeneration.strategies.batches import batch, prediction
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


def test_what_shows_a_works_details_is_kept_away_from_it_and_what_is_merely_near_it_is_not(pipeline):
    draw = torch.Generator().manual_seed(3)
    work, other = torch.randn(2, 1, 4, 16, 16, generator=draw)
    plain = work.mean((2, 3), keepdim=True).expand_as(work)  # as near as anything without details can come
    strategy = strategy_named("references")(batch(pipeline, ("a fox", "an owl"), references=work, radius=1.5))
    moved = strategy.steer(prediction(torch.cat([work * 0.9, plain]))).clean
    assert (moved[0] != 0.9 * work[0]).any()
    assert torch.equal(moved[1], plain[0])
    alone = prediction(torch.cat([other, plain]))
    assert strategy.steer(alone) is alone
