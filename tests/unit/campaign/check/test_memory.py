"""What a campaign takes in memory follows from parameters, number format and size, and from no model's name."""

from dataclasses import replace

import pytest
import torch

from twig_assets.campaign import Campaign
from twig_assets.campaign.check.memory import LIBRARIES, memory_need
from twig_assets.generation.skeleton import skeleton

SIZE = (512, 512)


@pytest.fixture(scope="module")
def bones():
    return skeleton("embedded")


def need(tmp_path, bones, together=1, edited=True, **settings):
    campaign = Campaign(name="small", folder=tmp_path, title="Small", **settings)
    return memory_need(campaign, bones, SIZE, together, edited)


def test_drawing_grows_with_the_pixels_and_shrinks_with_the_number_format(tmp_path, bones):
    once = need(tmp_path, bones).drawing
    assert need(tmp_path, bones, 3).drawing == 3 * once
    assert need(tmp_path, replace(bones, dtype=torch.bfloat16)).drawing == once / 2


def test_an_autoencoder_that_is_drawn_with_in_float32_takes_as_much_in_float16(tmp_path, bones):
    half = replace(bones, dtype=torch.float16)
    bones.pipeline.vae.register_to_config(force_upcast=True)
    assert need(tmp_path, half).drawing == need(tmp_path, bones).drawing
    bones.pipeline.vae.register_to_config(force_upcast=False)
    assert need(tmp_path, half).drawing == need(tmp_path, bones).drawing / 2


def test_training_counts_for_the_method_that_trains_and_only_where_something_is_protected(tmp_path, bones):
    fast, solved = (need(tmp_path, bones, ablation={"method": method}) for method in ("fast", "closed_form"))
    assert fast.training > 0 == solved.training
    assert fast.kept > 0 < solved.kept
    tuned, twice = (
        need(tmp_path, bones, ablation={"method": "noise_based", "tuning": {"batch_size": size}}) for size in (4, 8)
    )
    assert 0 < tuned.training < twice.training < 2 * tuned.training
    nothing = need(tmp_path, bones, edited=False)
    assert (nothing.training, nothing.kept) == (0, 0)


def test_a_segment_anything_of_the_first_generation_counts_with_its_attention(tmp_path, bones):
    file = tmp_path / "sam.pth"
    file.write_bytes(bytes(1000))
    assert need(tmp_path, bones).segmenting == 0
    segmenter = {"kind": "vit_b", "checkpoint": file}
    assert need(tmp_path, bones, segmenter=segmenter).segmenting > 2 * 2**30


def test_one_thing_is_done_after_the_other_so_the_largest_counts(tmp_path, bones):
    parts = need(tmp_path, bones, 64)
    assert parts.drawing > parts.training
    assert parts.total == LIBRARIES + parts.weights + parts.kept + parts.drawing
    assert "height" in parts.advice()
    assert "closed_form" in replace(parts, training=parts.drawing + 1).advice()
