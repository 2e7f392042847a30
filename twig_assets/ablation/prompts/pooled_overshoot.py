"""How far beyond the anchor the pooled embedding of a target's prompts may be sent.

Tokens enter a denoiser through linear layers and attention, and what lies beyond the anchor there acts as beyond the
anchor. A pooled embedding goes through a network of its own that scales and shifts every layer. Where no prompt's
embedding ever lay, that network answers with anything: night skies, noise, the target itself. How soon it does so is
the concept's: for one the whole way is right, for another half of it is too far. So the denoiser is asked.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from twig_assets.ablation.prompts.styled_pairs import styled_pairs
from twig_assets.ablation.prompts.training_pairs import TrainingPair, training_pairs
from twig_assets.generation import Conditioning, ModelFamily, Pipeline, family_of
from twig_assets.generation.sampling import denoise
from twig_assets.settings.ablation import AblationSettings, ConceptTarget, Kind

# Prompts that are asked. How far they can be followed differs little between framings of an object, and much between
# things that are drawn in a style.
_PROMPTS: dict[Kind, int] = {"object": 6, "memorized": 6, "style": 16}
# How many of them have to be followed; a few are not at any distance.
_FOLLOWED = 0.8
# What a step may change beyond what is proportional.
_SLACK = 1.5
# What is tried of the way, the farthest first.
_SHARES = (1.0, 0.5, 0.25)
# The drawing whose first step is taken.
_STEPS = 20
# Pixels of its sides at most. A denoiser of real size takes minutes for a step of its own size on a CPU.
_SIDE = 512


@torch.no_grad()
def pooled_overshoot(pipeline: Pipeline, concept: ConceptTarget, settings: AblationSettings) -> float:
    """The farthest of the way that `overshoot` says, of half and of a quarter of it, that the denoiser follows; else 0.

    It follows a prompt as long as going k times the difference of anchor and target beyond the anchor changes its
    first prediction, from noise, by about k times of what separates their own, or less; and the way as long as it
    follows four in five prompts. A few dozen steps of the denoiser are taken, on one image each.

    Returns:
        A multiple of the difference, 0 to `settings.overshoot`; that itself for a model that reads no pooled embedding.
    """
    family = family_of(pipeline)
    if settings.overshoot == 0 or family.encode([""]).pooled is None:
        return settings.overshoot
    asked = [_Asked(family, pair, settings.seed + i) for i, pair in enumerate(_chosen(pipeline, concept, settings))]
    for share in _SHARES:
        beyond = share * settings.overshoot
        if np.mean([prompt.follows(beyond) for prompt in asked]) >= _FOLLOWED:
            return beyond
    return 0.0


def _chosen(pipeline: Pipeline, concept: ConceptTarget, settings: AblationSettings) -> Sequence[TrainingPair]:
    """Some prompts of the target in its own words, the same for the same seed."""
    pairs = [pair for pair in training_pairs(concept, settings) if pair.word == concept.target]
    pairs += styled_pairs(pipeline, concept, settings)
    order = np.random.default_rng(settings.seed).permutation(len(pairs))
    return [pairs[i] for i in order[: _PROMPTS[concept.kind]]]


class _Asked:
    """A prompt of the target and its anchor's, read by the denoiser from one noise."""

    def __init__(self, family: ModelFamily, pair: TrainingPair, seed: int) -> None:
        self._family, self._seed = family, seed
        height, width = family.native_size
        self._size = min(height, _SIDE), min(width, _SIDE)
        self._anchor, target = (family.encode([text], self._size) for text in (pair.counterpart, pair.prompt))
        assert self._anchor.pooled is not None
        assert target.pooled is not None
        self._pooled, self._difference = self._anchor.pooled, self._anchor.pooled - target.pooled
        self._step = self._taken(self._anchor)
        self._apart = (self._step - self._taken(target)).norm()

    def follows(self, beyond: float) -> bool:
        """Whether a pooled embedding so many differences further on changes the step by about as many, or less."""
        further = replace(self._anchor, pooled=self._pooled + beyond * self._difference)
        return bool((self._taken(further) - self._step).norm() <= _SLACK * beyond * self._apart)

    def _taken(self, conditioning: Conditioning) -> torch.Tensor:
        noise = self._family.starting_noise([self._generator()], self._size)
        return denoise(self._family, conditioning, noise, _STEPS, generators=[self._generator()], stop=1).float()

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self._seed)
