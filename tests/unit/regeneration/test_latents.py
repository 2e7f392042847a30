import numpy as np
import torch

from twig_assets.regeneration.latents import grown, latent_mask, surroundings


def test_the_surroundings_of_a_fully_masked_image_are_the_mean_latent():
    assert torch.equal(surroundings(torch.ones(1, 4, 4, 4), torch.ones(1, 1, 4, 4)), torch.zeros(1, 4, 1, 1))


def test_the_latent_mask_covers_every_cell_that_is_a_quarter_full_and_grows():
    mask = np.zeros((1, 64, 64), bool)
    mask[0, 20:24, 20:24] = True
    assert latent_mask(mask, (16, 16)).sum() == 1
    assert latent_mask(grown(mask, 4), (16, 16)).sum() == 9
    np.testing.assert_array_equal(grown(mask, 0), mask)
