import numpy as np
import pytest
import torch

from twig_assets.generation.autoencoder import image_latents, pictures, single_precision
from twig_assets.model_zoo import planted


def test_a_picture_comes_back_nearly_as_it_was_whatever_its_size(pipeline):
    picture = planted.picture(planted.WORKS[0])
    twice = picture.repeat(2, 0).repeat(2, 1)
    latents = image_latents(pipeline.vae, [picture, twice], (64, 64))
    assert latents.shape == (2, 4, 16, 16)
    decoded = pictures(pipeline.vae, latents)
    assert decoded.shape == (2, 3, 64, 64)
    assert decoded.min() >= 0
    assert decoded.max() <= 1
    missed = np.abs(decoded[0].permute(1, 2, 0).numpy() * 255 - picture).mean()
    assert missed < np.abs(picture - picture.mean((0, 1))).mean() / 3
    assert torch.isfinite(latents).all()


class _Config:
    def __init__(self, force_upcast):
        self.force_upcast = force_upcast


class _Vae(torch.nn.Linear):
    def __init__(self, force_upcast):
        super().__init__(2, 2, dtype=torch.float16)
        self.config = _Config(force_upcast)

    @property
    def dtype(self):
        return self.weight.dtype


@pytest.mark.parametrize(("force_upcast", "meanwhile"), [(True, torch.float32), (False, torch.float16)])
def test_only_an_autoencoder_that_overflows_in_half_precision_is_widened_and_only_meanwhile(force_upcast, meanwhile):
    vae = _Vae(force_upcast)
    with single_precision(vae):
        assert vae.dtype == meanwhile
    assert vae.dtype == torch.float16
