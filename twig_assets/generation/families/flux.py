"""FLUX.1 (dev and schnell): a transformer over packed latents, a T5 for the tokens and a CLIP for the pooled embedding.

It was distilled from guidance: the scale is an input (dev) or there is none (schnell), and no empty prompt is drawn.
"""

from collections.abc import Mapping, Sequence

import torch
from diffusers import FluxPipeline

from twig_assets.generation.conditioning import Conditioning
from twig_assets.generation.families.transformer import FlowTransformer, packed, unpacked
from twig_assets.generation.family import Capability, called, register

# What the pipeline lets T5 read.
_T5_TOKENS = 512


@register
class Flux(FlowTransformer):
    """See `ModelFamily`."""

    pipeline_classes = (FluxPipeline,)
    capabilities = frozenset({Capability.POOLED_TEXT, Capability.LORA})
    tokenizer_names = {"text_encoder": "tokenizer", "text_encoder_2": "tokenizer_2"}
    kinds = {"text_encoder": "clip_l", "text_encoder_2": "t5xxl"}
    published_names = {
        "context_embedder": "txt_in",
        "time_text_embed.text_embedder.linear_1": "vector_in.in_layer",
    }
    prompt_limit = _T5_TOKENS

    def encode(self, prompts: Sequence[str], size: tuple[int, int] | None = None) -> Conditioning:
        """See `ModelFamily`."""
        tokens, pooled, _ = self.pipeline.encode_prompt(
            prompt=list(prompts), prompt_2=None, device=self.device, max_sequence_length=_T5_TOKENS
        )
        return Conditioning(tokens, pooled)

    def text_entries(self) -> dict[str, torch.nn.Linear]:
        """See `ModelFamily`."""
        return {"transformer.context_embedder": self.pipeline.transformer.context_embedder}

    def pooled_entries(self) -> dict[str, torch.nn.Linear]:
        """See `ModelFamily`."""
        name = "time_text_embed.text_embedder.linear_1"
        return {f"transformer.{name}": self.pipeline.transformer.get_submodule(name)}

    @property
    def latent_channels(self) -> int:
        """See `ModelFamily`."""
        return int(self.pipeline.transformer.config.in_channels) // 4

    def predict(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        conditioning: Conditioning,
        guidance_scale: float | None = None,
        parameters: Mapping[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """See `ModelFamily`."""
        transformer, (height, width) = self.pipeline.transformer, latents.shape[-2:]
        scale = None
        if transformer.config.guidance_embeds:
            scale = torch.full([len(latents)], guidance_scale or 1.0, device=latents.device, dtype=torch.float32)
        patches = called(
            transformer,
            parameters,
            hidden_states=packed(latents),
            timestep=self._times(timestep, len(latents)).to(latents.dtype) / 1000,
            guidance=scale,
            pooled_projections=conditioning.pooled,
            encoder_hidden_states=conditioning.tokens,
            txt_ids=torch.zeros(conditioning.tokens.shape[1], 3).to(latents),
            img_ids=_places(height // 2, width // 2).to(latents),
            return_dict=False,
        )[0]
        return unpacked(patches, (height, width))


def _places(rows: int, columns: int) -> torch.Tensor:
    """Where each patch is: (rows * columns, 3) of zero, row and column."""
    down, right = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.stack([torch.zeros_like(down), down, right], -1).reshape(-1, 3)
