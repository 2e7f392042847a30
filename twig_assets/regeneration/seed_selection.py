"""Choosing, of several seeds, the one whose object can best be kept off the first image's shape.

What will be where shows early: a sampler of three steps knows it at its second. So the first two of three coarse steps
are taken from each seed candidate's noise, without guidance, which costs a step of the sampler a seed. Mirrored noise
becomes nearly the mirror image, with lettering drawn afresh, so each of these sketches stands for two candidates. The
candidate is taken whose object has the place that meets the mask least, compared with how it would fare with the other
sketches' objects as masks, and with how far its size is from theirs. Without that, small things would be taken, which
meet any mask little, and second images would differ from what the model draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from twig_assets.generation import Conditioning, ModelFamily
from twig_assets.generation.sampling import denoise
from twig_assets.generation.steering import Prediction, Steering
from twig_assets.regeneration.objects import outlines
from twig_assets.regeneration.placing import best_places
from twig_assets.settings.regeneration import RegenerationSettings

# Between the seed candidates of one image; a prime, so that neighbours' seeds, which follow each other, are not met.
_APART = 1_000_003
_STEPS = 3


@dataclass(frozen=True, eq=False)
class Selection:
    """The seed candidates of n images, and which of them are best.

    Attributes:
        starts: What the sampler starts from, for each of c candidates: (c, n, C, h, w). The second half are the mirror
            images of the first, but where only one is looked at.
        seeds: The seeds of the candidates that are no mirror images, each n.
        ranks: For each image the candidates, best first; 0 is the image's own seed.
    """

    starts: torch.Tensor
    seeds: list[list[int]]
    ranks: list[list[int]]

    @property
    def noise(self) -> torch.Tensor:
        """What the sampler starts from with the best candidates, (n, C, h, w)."""
        return torch.stack([self.start(i) for i in range(len(self.ranks))])

    def start(self, i: int, rank: int = 0) -> torch.Tensor:
        """What the sampler starts from with the candidate of an image that has a rank, (C, h, w)."""
        return self.starts[self.ranks[i][rank], i]

    def named(self, i: int, rank: int = 0) -> tuple[int, bool]:
        """The seed of that candidate, and whether it is the mirror image of that seed's noise."""
        candidate = self.ranks[i][rank]
        return self.seeds[candidate % len(self.seeds)][i], candidate >= len(self.seeds)


def select_noise(
    family: ModelFamily,
    prompts: Sequence[str],
    seeds: Sequence[int],
    masks: np.ndarray,
    settings: RegenerationSettings,
) -> Selection:
    """For each image the noise, of several that are derived from its seed, whose object can best avoid its mask.

    Args:
        family: The model.
        prompts: n prompts.
        seeds: n seeds; the first of each image's seed candidates is its own seed.
        masks: bool (n, H, W), what to keep free; the images have their size.
        settings: How many candidates (`beginnings`) there are, and the costs; of a single one no sketch is made.
    """
    count, size = settings.beginnings, (masks.shape[1], masks.shape[2])
    # A single candidate has a substitute all the same, which is drawn where no move helps.
    candidates = [[int(seed) + _APART * i for seed in seeds] for i in range(max(2, count))]
    noise = torch.stack(
        [family.starting_noise([torch.Generator().manual_seed(seed) for seed in row], size) for row in candidates]
    )
    if count == 1:
        return Selection(noise, candidates, [[0, 1] for _ in seeds])
    with torch.no_grad():
        conditioning = family.encode(prompts, size)
    sketched = [outlines(family, sketch(family, conditioning, seeds, start), size) for start in noise]
    shapes = np.stack([*sketched, *(np.flip(outline, -1) for outline in sketched)], 1)
    cell = size[0] // noise.shape[3]
    ranks = [fairest(outline, mask, cell, settings) for outline, mask in zip(shapes, masks, strict=True)]
    return Selection(torch.cat([noise, noise.flip(-1)]), candidates, ranks)


def fairest(shapes: np.ndarray, mask: np.ndarray, cell: int, settings: RegenerationSettings) -> list[int]:
    """Which shapes have the best place, compared with what they would have among the other shapes.

    Args:
        shapes: bool (2k, H, W); the second half are the mirror images of the first. No shape is compared with itself
            or its mirror image.
        mask: bool (H, W), what to keep free.
        cell: Pixels of a latent cell along one side.
        settings: The costs.

    Returns:
        The indices of `shapes`, best first.
    """
    sketches = len(shapes) // 2
    cost = best_places(shapes, np.concatenate([mask[None], shapes[:sketches]]), cell, settings.edge_cost, cell).cost
    elsewhere = cost[1:].mean(0, where=~np.tile(np.eye(sketches, dtype=bool), 2))
    area = np.maximum(shapes.sum((1, 2)), 1)
    unfairness = cost[0] - elsewhere + settings.size_cost * np.square(np.log(area / area.mean()))
    return [int(i) for i in unfairness.argsort(kind="stable")]


def sketch(family: ModelFamily, conditioning: Conditioning, seeds: Sequence[int], noise: torch.Tensor) -> torch.Tensor:
    """The clean latents (n, C, h, w) that the second of three coarse steps predicts, without guidance.

    Args:
        family: The model.
        conditioning: Of n prompts.
        seeds: n seeds, for a scheduler that draws noise of its own.
        noise: What the sampler starts from, (n, C, h, w).
    """
    predictions: list[Prediction] = []

    def keep(prediction: Prediction) -> Prediction:
        predictions.append(prediction)
        return prediction

    # Seeds of no image and no candidate: the noise of those is what something starts from.
    generators = [torch.Generator().manual_seed(int(seed) + _APART // 2) for seed in seeds]
    denoise(family, conditioning, noise, _STEPS, hooks=[Steering(keep)], generators=generators, stop=2)
    return predictions[-1].clean
