import numpy as np

from twig_assets.generation import GenerationSettings, generate
from twig_assets.model_zoo import planted
from twig_assets.segmentation import bright_ending

FAST = GenerationSettings(steps=3, batch_size=2)
PROMPTS = [planted.WORKS[0].title, "a red apple, noto style on a blue background", "an owl"]


def test_every_image_has_a_mask_and_a_brightness_and_the_pipeline_stays_as_it_was(pipeline):
    before = dict(pipeline.unet.attn_processors)
    plain = generate(pipeline, PROMPTS, [1, 2, 3], FAST)
    masks, brightness = bright_ending(pipeline, PROMPTS, [1, 2, 3], FAST)
    assert [mask.mask.shape for mask in masks] == [(64, 64)] * 3
    assert all(mask.outcome in ("ok", "full") and mask.mask.any() for mask in masks)
    assert brightness.shape == (3,)
    assert ((brightness > 0) & (brightness < 1)).all()
    assert pipeline.unet.attn_processors == before
    np.testing.assert_array_equal(generate(pipeline, PROMPTS, [1, 2, 3], FAST), plain)


def test_a_mask_is_the_images_own_whatever_its_neighbours(pipeline):
    together, bright = bright_ending(pipeline, PROMPTS, [1, 2, 3], FAST)
    alone, dim = bright_ending(pipeline, PROMPTS[1:2], [2], FAST)
    assert (together[1].mask == alone[0].mask).mean() > 0.99
    np.testing.assert_allclose(bright[1], dim[0], atol=1e-4)
