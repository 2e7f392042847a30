"""What a UNet is conditioned on, for Stable Diffusion 1.x, 2.x and XL alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline

from twig_assets.generation import Pipeline


@dataclass(frozen=True)
class Conditions:
    """Text conditions of n prompts.

    Attributes:
        embeddings: (n, tokens, d).
        added: What XL wants besides, each with n rows: pooled text embeddings and time ids; empty for the others.
    """

    embeddings: torch.Tensor
    added: dict[str, torch.Tensor]

    def rows(self, indices: Sequence[int] | torch.Tensor) -> "Conditions":
        """The conditions of some of the prompts, in this order."""
        at = torch.as_tensor(indices, device=self.embeddings.device)
        return Conditions(self.embeddings[at], {key: value[at] for key, value in self.added.items()})

    def keywords(self) -> dict[str, Any]:
        """Arguments of a UNet's call."""
        return {"encoder_hidden_states": self.embeddings} | ({"added_cond_kwargs": self.added} if self.added else {})


def conditions(pipeline: Pipeline, prompts: Sequence[str]) -> Conditions:
    """Encode prompts with all text encoders of the pipeline; gradients flow where they are on."""
    encoded = pipeline.encode_prompt(
        prompt=list(prompts), device=pipeline.device, num_images_per_prompt=1, do_classifier_free_guidance=False
    )
    if not isinstance(pipeline, StableDiffusionXLPipeline):
        return Conditions(encoded[0], {})
    side = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    ids = torch.tensor([side, side, 0, 0, side, side], dtype=encoded[0].dtype, device=encoded[0].device)
    return Conditions(encoded[0], {"text_embeds": encoded[2], "time_ids": ids.expand(len(prompts), 6)})


def joined(parts: Sequence[Conditions]) -> Conditions:
    """The prompts of all parts, one after the other."""
    added = {key: torch.cat([part.added[key] for part in parts]) for key in parts[0].added}
    return Conditions(torch.cat([part.embeddings for part in parts]), added)
