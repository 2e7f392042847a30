"""Classifier-free guidance of another scale, or towards another prompt, for some images of a batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from twig_assets.generation import Pipeline
from twig_assets.generation.conditioning import conditions

# Share of the steps that are done -> the wanted guidance scale of every image (n,), NaN where it stays as it is.
Scales = Callable[[float], torch.Tensor | None]
# Share of the steps that are done -> bool (2n,): in the half without and the half with the prompt, which images get the
# other prompt; None where none does.
Chosen = Callable[[float], torch.Tensor | None]


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


@contextmanager
def prompted(twin: Pipeline, text: str, chosen: Chosen) -> Iterator[None]:
    """While the block runs, the U-Net reads another prompt for chosen images, at no further pass.

    Args:
        twin: A pipeline that `steered` made; its scheduler knows the step.
        text: The other prompt.
        chosen: For which images of which half.
    """
    with torch.no_grad():
        other = conditions(twin, [text])

    def change(_module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        rows = chosen(twin.scheduler.taken / len(twin.scheduler.timesteps))
        if rows is None or not twin.do_classifier_free_guidance:
            return None
        changed = {
            **kwargs,
            "encoder_hidden_states": _with_rows(kwargs["encoder_hidden_states"], rows, other.embeddings),
        }
        if other.added:
            given = kwargs["added_cond_kwargs"]
            pooled = _with_rows(given["text_embeds"], rows, other.added["text_embeds"])
            changed["added_cond_kwargs"] = {**given, "text_embeds": pooled}
        return args, changed

    handle = twin.unet.register_forward_pre_hook(change, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _with_rows(tensor: torch.Tensor, rows: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """`tensor` (2n, ...) with `value` (1, ...) in the rows chosen by bool (2n,)."""
    where = rows.to(tensor.device).reshape(-1, *[1] * (tensor.ndim - 1))
    return torch.where(where, value.to(tensor), tensor)
