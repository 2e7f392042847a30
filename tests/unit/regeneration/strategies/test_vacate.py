import numpy as np
import torch

from tests.unit.regeneration.strategies.batches import batch, prediction
from twig_assets.regeneration.strategies.vacate import Vacate


def test_vacating_fills_the_mask_with_its_surroundings_and_leaves_the_rest_alone(pipeline):
    masks = np.zeros((1, 64, 64), bool)
    masks[0, 16:32, 16:32] = True
    clean = torch.full((1, 4, 16, 16), 0.25)
    clean[:, :, 4:8, 4:8] = 2.0
    vacate = Vacate(batch(pipeline, masks=masks, until=0.5))
    assert torch.equal(vacate.steer(prediction(clean)).clean, torch.full_like(clean, 0.25))
    late = prediction(clean, index=5)
    assert vacate.steer(late) is late
