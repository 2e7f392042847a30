import numpy as np
import pytest
import torch

from twig_assets.generation import GenerationSettings, family_of, generate
from twig_assets.regeneration import RegenerationSettings, iou
from twig_assets.regeneration.objects import by_colour, outlines
from twig_assets.regeneration.seed_selection import fairest, select_noise, sketch

PROMPTS = ["a red apple, noto style on a blue background", "a fox, twemoji style on a white background"]


def box(top, left, height, width):
    mask = np.zeros((64, 64), bool)
    mask[top : top + height, left : left + width] = True
    return mask


@pytest.fixture
def family(pipeline):
    return family_of(pipeline)


def noise(family, seeds):
    return family.starting_noise([torch.Generator().manual_seed(seed) for seed in seeds], (64, 64))


def mirrored_too(*shapes):
    return np.stack([*shapes, *(shape[:, ::-1] for shape in shapes)])


def test_of_shapes_of_one_size_the_one_is_taken_that_has_the_freest_place():
    wide, tall = box(8, 2, 16, 60), box(2, 8, 60, 16)
    settings = RegenerationSettings(edge_cost=0.0)
    assert fairest(mirrored_too(wide, tall), box(0, 0, 64, 30), 4, settings)[0] in (1, 3)
    assert fairest(mirrored_too(wide, tall), box(0, 0, 30, 64), 4, settings)[0] in (0, 2)


def test_a_mirror_image_is_taken_where_it_keeps_off_the_mask_better():
    # All fill the frame from side to side at its top, so that none can be moved.
    left, even = box(0, 0, 60, 20) | box(0, 0, 8, 64), box(0, 0, 24, 64)
    mask = box(20, 0, 44, 24)
    settings = RegenerationSettings(edge_cost=0.0)
    assert fairest(mirrored_too(left, even), mask, 4, settings)[0] == 2
    assert fairest(mirrored_too(left, even), mask[:, ::-1], 4, settings)[0] == 0


def test_size_alone_does_not_decide():
    small, usual = box(28, 28, 4, 4), [box(8, 8, 30, 30), box(20, 20, 30, 30), box(16, 30, 30, 30)]
    mask, settings = box(10, 10, 44, 44), RegenerationSettings(size_cost=1.0)
    assert fairest(mirrored_too(small, *usual), mask, 4, settings)[0] not in (0, 4)
    assert fairest(mirrored_too(*usual, np.zeros((64, 64), bool)), mask, 4, settings)[0] not in (3, 7)


def test_of_one_seed_candidate_the_own_noise_is_taken(family):
    masks = np.stack([box(16, 16, 32, 32)] * 2)
    selection = select_noise(family, PROMPTS, [7, 8], masks, RegenerationSettings(beginnings=1))
    assert torch.equal(selection.noise, noise(family, [7, 8]))
    assert [selection.named(i) for i in range(2)] == [(7, False), (8, False)]


def test_of_several_seed_candidates_always_the_same_is_taken_and_it_depends_on_the_mask(family):
    settings = RegenerationSettings(beginnings=3)
    masks = [np.stack([box(0, 0, 64, 30), box(0, 34, 64, 30)]), np.stack([box(0, 0, 30, 64), box(34, 0, 30, 64)])]
    first, again, turned = (
        select_noise(family, PROMPTS, [7, 8], mask, settings).noise for mask in (*masks[:1] * 2, masks[1])
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, turned)
    own = noise(family, [7, 8])
    assert any(not torch.equal(chosen, own) for chosen in (first, turned))


def test_the_noise_that_is_taken_is_that_of_the_seed_which_is_named(family):
    settings = RegenerationSettings(beginnings=3)
    masks = np.stack([box(0, 0, 64, 30), box(34, 0, 30, 64)])
    selection = select_noise(family, PROMPTS, [7, 8], masks, settings)
    for i in range(2):
        assert sorted(selection.ranks[i]) == list(range(6))
        for rank in range(6):
            seed, mirrored = selection.named(i, rank)
            plain = noise(family, [seed])[0]
            assert torch.equal(selection.start(i, rank), plain.flip(-1) if mirrored else plain)


def test_a_sketch_shows_where_the_finished_thing_will_be(pipeline, family):
    seeds = list(range(40, 48))
    prompts = [PROMPTS[0]] * len(seeds)
    early = outlines(family, sketch(family, family.encode(prompts), seeds, noise(family, seeds)), (64, 64))
    images = generate(pipeline, prompts, seeds, GenerationSettings(batch_size=8))
    late = by_colour(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
    own = np.mean([iou(a, b) for a, b in zip(early, late, strict=True)])
    others = np.mean([iou(a, b) for a, b in zip(early, np.roll(late, 1, 0), strict=True)])
    assert own > others + 0.1


def test_mirrored_noise_becomes_nearly_the_mirror_image(family):
    # An apple is its own mirror image, nearly; a guitar lies aslant.
    seeds, lopsided = list(range(40, 48)), "a guitar, noto style on a white background"
    conditioning, own = family.encode([lopsided] * len(seeds)), noise(family, seeds)
    plain, turned = (
        outlines(family, sketch(family, conditioning, seeds, start), (64, 64)) for start in (own, own.flip(-1))
    )
    back = np.mean([iou(a, b[:, ::-1]) for a, b in zip(plain, turned, strict=True)])
    assert back > np.mean([iou(a, b) for a, b in zip(plain, turned, strict=True)]) + 0.1


def test_sketching_leaves_the_pipeline_as_it_was(pipeline, family):
    scheduler, timesteps = pipeline.scheduler, len(pipeline.scheduler.timesteps)
    conditioning, start = family.encode(PROMPTS), noise(family, [1, 2])
    first, again = (sketch(family, conditioning, [1, 2], start) for _ in range(2))
    assert pipeline.scheduler is scheduler
    assert len(pipeline.scheduler.timesteps) == timesteps
    np.testing.assert_array_equal(first.numpy(), again.numpy())
