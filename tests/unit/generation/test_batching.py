"""Where memory runs out, work goes on in smaller batches, and says so."""

import logging

import numpy as np
import pytest
import torch

from twig_assets.generation import GenerationSettings, generate
from twig_assets.generation.batching import TooLittleMemoryError, at_once, in_batches
from twig_assets.generation.family import family_of
from twig_assets.model_zoo import load_pipeline

FAST = GenerationSettings(steps=2, batch_size=4)
PROMPTS, SEEDS = ["an owl", "a rocket", "a castle", "a fox"], [1, 2, 3, 4]


class HoldsAtMost:
    """Fails as a GPU does, for more images at once than it holds."""

    def __init__(self, most):
        self.most, self.sizes = most, []

    def __call__(self, part):
        size = part.stop - part.start
        self.sizes.append(size)
        if size > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return list(range(part.start, part.stop))


def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_nothing_is_left_out(caplog):
    work = HoldsAtMost(2)
    with caplog.at_level(logging.WARNING):
        done = [thing for _, things in in_batches(None, 11, 8, work) for thing in things]
    assert done == list(range(11))
    assert work.sizes == [8, 4, 2, 2, 2, 2, 2, 1]
    assert [record.getMessage() for record in caplog.records] == [
        "memory ran out with a batch of 8; going on with a batch of 4",
        "memory ran out with a batch of 4; going on with a batch of 2",
    ]


def test_where_not_even_one_fits_it_says_what_to_change():
    with pytest.raises(TooLittleMemoryError, match="set a smaller"):
        list(in_batches(None, 3, 4, HoldsAtMost(0)))


def test_before_it_gives_up_the_autoencoder_works_in_tiles():
    class Autoencoder:
        tiled = False

        def enable_slicing(self):
            pass

        def enable_tiling(self):
            self.tiled = True

    class Model:
        vae = Autoencoder()

    def work(part):
        if not Model.vae.tiled:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return part.start

    assert [at for _, at in in_batches(Model(), 2, 1, work)] == [0, 1]


def test_images_come_out_as_with_the_smaller_batch_from_the_start(pipeline, monkeypatch):
    small = generate(pipeline, PROMPTS, SEEDS, FAST.model_copy(update={"batch_size": 2}))
    forward, refused = pipeline.unet.forward, []

    def tight(sample, *args, **more):
        if len(sample) > 4:  # two images, with and without their prompts
            refused.append(len(sample))
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(sample, *args, **more)

    monkeypatch.setattr(pipeline.unet, "forward", tight)
    np.testing.assert_array_equal(generate(pipeline, PROMPTS, SEEDS, FAST), small)
    assert refused == [8]


def test_a_cpu_draws_a_million_pixels_at_once_and_a_gpu_what_the_settings_say():
    family = family_of(load_pipeline())
    assert at_once(family, GenerationSettings(batch_size=16)) == 16
    assert at_once(family, GenerationSettings(batch_size=16, height=512, width=512)) == 4
    assert at_once(family, GenerationSettings(batch_size=16, height=2048, width=1024)) == 1
    there = type(family)
    on_a_gpu = type("OnAGpu", (there,), {"device": property(lambda self: torch.device("cuda"))})(family.pipeline)
    assert at_once(on_a_gpu, GenerationSettings(batch_size=16, height=2048, width=1024)) == 16
