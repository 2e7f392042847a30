"""Stable Diffusion XL: a U-Net with cross-attention and a pooled path, conditioned by two CLIP text encoders."""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline

from twig_assets.generation.autoencoder import single_precision
from twig_assets.generation.conditioning import Conditioning
from twig_assets.generation.families.stable_diffusion import StableDiffusion
from twig_assets.generation.family import Capability, register


@register
class StableDiffusionXL(StableDiffusion):
    """See `ModelFamily`; what is not said here is as in Stable Diffusion."""

    pipeline_classes = (StableDiffusionXLPipeline,)
    capabilities = StableDiffusion.capabilities | {Capability.POOLED_TEXT}
    trained_under_own_names = False

    def encoder_kinds(self) -> dict[str, str]:
        """See `ModelFamily`."""
        kinds = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}
        return {name: kinds[name] for name in self.text_encoders()}

    def published_name(self, module: str) -> str | None:
        """See `ModelFamily`."""
        return "label_emb.0.0" if module == "add_embedding.linear_1" else super().published_name(module)

    def remove_safety_checker(self) -> None:
        """See `ModelFamily`; there is none."""

    def encode(self, prompts: Sequence[str], size: tuple[int, int] | None = None) -> Conditioning:
        """See `ModelFamily`; the tokens hold both text encoders side by side, the pooled embedding is the second's."""
        encoded = self._encoded(prompts)
        tokens, pooled = encoded[0], encoded[2]
        return Conditioning(tokens, pooled, {"time_ids": self._time_ids(tokens, size)})

    def _time_ids(self, tokens: torch.Tensor, size: tuple[int, int] | None) -> torch.Tensor:
        height, width = size or self.native_size
        ids = torch.tensor([height, width, 0, 0, height, width], dtype=tokens.dtype, device=tokens.device)
        return ids.expand(len(tokens), 6)

    def unconditional(self, count: int, size: tuple[int, int] | None = None) -> Conditioning:
        """See `ModelFamily`; nothing but zeros where the checkpoint's configuration says so, else the empty prompt."""
        empty = self.encode([""] * count, size)
        if not self.pipeline.config.force_zeros_for_empty_prompt or empty.pooled is None:
            return empty
        return Conditioning(torch.zeros_like(empty.tokens), torch.zeros_like(empty.pooled), empty.extra)

    def pooled_entries(self) -> dict[str, torch.nn.Linear]:
        """See `ModelFamily`."""
        return {"unet.add_embedding.linear_1": self.pipeline.unet.add_embedding.linear_1}

    def _added(self, conditioning: Conditioning) -> dict[str, Any]:
        return {"added_cond_kwargs": {"text_embeds": conditioning.pooled, **conditioning.extra}}

    def scheduler(self, steps: int, size: tuple[int, int]) -> Any:
        """See `ModelFamily`; like the pipeline, it says where the scheduler begins."""
        scheduler = super().scheduler(steps, size)
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(0)
        return scheduler

    @torch.no_grad()
    def images(self, latents: torch.Tensor, generators: Sequence[torch.Generator]) -> torch.Tensor:
        """See `ModelFamily`."""
        pipeline = self.pipeline
        with single_precision(pipeline.vae):
            decoded = pipeline.vae.decode(self._unscaled(latents).to(pipeline.vae.dtype), return_dict=False)[0]
        if pipeline.watermark is not None:
            decoded = pipeline.watermark.apply_watermark(decoded)
        finished: torch.Tensor = pipeline.image_processor.postprocess(decoded, output_type="pt")
        return finished

    def _unscaled(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents as the autoencoder has them; some finetuned ones give a mean and a deviation for each channel."""
        config = self.pipeline.vae.config
        mean, deviation = (getattr(config, name, None) for name in ("latents_mean", "latents_std"))
        if mean is None or deviation is None:
            return latents / config.scaling_factor
        mean, deviation = (torch.tensor(values).view(1, -1, 1, 1).to(latents) for values in (mean, deviation))
        return latents * deviation / config.scaling_factor + mean
