import numpy as np
import pytest
import torch

from tests.unit.regeneration.strategies.batches import batch, prediction
from twig_assets.generation.attention import WatchingProcessor, overlap_energy
from twig_assets.regeneration.object_tokens import object_tokens
from twig_assets.regeneration.strategies.relocate import NoRoomError, Relocate

PROMPT = "a red apple, noto style on a blue background"


def test_the_gradient_is_that_of_the_energy(pipeline):
    work = batch(pipeline, (PROMPT,), strategy="relocate")
    family, mask, tokens = work.family, work.latent_mask, object_tokens(work.family, [PROMPT])
    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    conditioning = family.encode([PROMPT])
    now = prediction(noise, sample=noise, conditioning=conditioning)

    def energy(sample):
        layers = []
        with torch.no_grad(), family.cross_attention(lambda inner: WatchingProcessor(inner, layers.append)):
            family.predict(sample, now.step.timestep, conditioning)
        return sum(float(overlap_energy(layer, mask, tokens)) for layer in layers)

    relocate = Relocate(work)
    gradient = relocate.gradient(now)
    # The energy is a ratio and may be steep: a longer step leaves the part where it is straight.
    small = 3e-5 / float(gradient.norm())
    slope = (energy(noise + small * gradient) - energy(noise - small * gradient)) / (2 * small)
    assert slope == pytest.approx(float(gradient.square().sum()), rel=0.1)
    late = prediction(noise, index=9)
    assert relocate.steer(late) is late


def test_a_mask_over_everything_leaves_no_room(pipeline):
    with pytest.raises(NoRoomError, match="mask 0 covers every latent cell"):
        Relocate(batch(pipeline, (PROMPT,), masks=np.ones((1, 64, 64), bool)))
