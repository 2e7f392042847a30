"""Batches and predictions for tests of strategies."""

import numpy as np
import torch

from twig_assets.generation import Conditioning, GenerationSettings, family_of
from twig_assets.generation.steering import Prediction, Step
from twig_assets.regeneration.strategy import Batch
from twig_assets.settings.regeneration import RegenerationSettings


def batch(pipeline, prompts=("a fox",), masks=None, first_latents=None, references=None, **settings):
    """A batch whose first images are black, or have the given latents; the masks are the left halves."""
    count = len(prompts)
    if masks is None:
        masks = np.zeros((count, 64, 64), bool)
        masks[:, :, :32] = True
    images = np.zeros((count, 64, 64, 3), np.uint8)
    how, evidence = RegenerationSettings(**settings), np.zeros(count, bool)
    made = Batch(
        family_of(pipeline), prompts, [1] * count, images, masks, references, how, GenerationSettings(), evidence
    )
    if first_latents is not None:
        made.__dict__["first_latents"] = first_latents
    return made


def prediction(clean, index=0, steps=10, sample=None, conditioning=None):
    """A prediction at one of several steps."""
    step = Step(index, steps, torch.tensor(700), 3.0)
    read = conditioning or Conditioning(torch.zeros(len(clean), 2, 3))
    return Prediction(step, read, clean, torch.zeros_like(clean) if sample is None else sample, 0.6, 0.8)
