import numpy as np
import torch

from twig_assets.generation.autoencoder import decode, encode
from twig_assets.model_zoo import planted


def test_a_picture_comes_back_nearly_as_it_was_whatever_its_size(pipeline):
    picture = planted.picture(planted.WORKS[0])
    twice = picture.repeat(2, 0).repeat(2, 1)
    latents = encode(pipeline, [picture, twice], (64, 64))
    assert latents.shape == (2, 4, 16, 16)
    pictures = decode(pipeline, latents)
    assert pictures.shape == (2, 3, 64, 64)
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    missed = np.abs(pictures[0].permute(1, 2, 0).numpy() * 255 - picture).mean()
    assert missed < np.abs(picture - picture.mean((0, 1))).mean() / 3
    assert torch.isfinite(latents).all()
