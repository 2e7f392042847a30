"""Classifier-free guidance of another scale for some images of a batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from twig_assets.generation import Pipeline

# Share of the steps that are done -> the wanted guidance scale of every image (n,), NaN where it stays as it is.
Scales = Callable[[float], torch.Tensor | None]


@contextmanager
def guided(twin: Pipeline, scales: Scales) -> Iterator[None]:
    """While the block runs, the U-Net's two halves are such that the pipeline's own guidance comes to `scales`.

    The pipeline computes u + s (c - u) from the predictions without (u) and with the prompt (c). With c replaced by
    u + (w / s) (c - u) that is u + w (c - u), in Stable Diffusion and Stable Diffusion XL alike.

    Args:
        twin: A pipeline that `steered` made; its scheduler knows the step.
        scales: The wanted scales. Where it gives None, or NaN for an image, nothing is touched.
    """

    def change(_module: Any, _args: Any, output: Any) -> Any:
        wanted = scales(twin.scheduler.taken / len(twin.scheduler.timesteps))
        if wanted is None or not twin.do_classifier_free_guidance:
            return None
        without, prompted = output[0].chunk(2)
        weight = (wanted.to(without) / twin.guidance_scale)[:, None, None, None]
        changed = torch.where(weight.isnan(), prompted, without + weight * (prompted - without))
        return (torch.cat([without, changed]), *output[1:])

    handle = twin.unet.register_forward_hook(change)
    try:
        yield
    finally:
        handle.remove()
