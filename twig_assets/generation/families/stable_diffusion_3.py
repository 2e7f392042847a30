"""Stable Diffusion 3 and 3.5: a transformer with joint attention, two CLIP text encoders and a T5 that may be left out.

The tokens are those of both CLIPs side by side, and below them those of T5.
"""

from collections.abc import Mapping, Sequence

import torch
from diffusers import StableDiffusion3Pipeline

from twig_assets.generation.conditioning import Conditioning
from twig_assets.generation.families.transformer import FlowTransformer
from twig_assets.generation.family import Capability, called, register
from twig_assets.generation.tokens import TokenSpan

# What the pipeline lets T5 read.
_T5_TOKENS = 256


@register
class StableDiffusion3(FlowTransformer):
    """See `ModelFamily`."""

    pipeline_classes = (StableDiffusion3Pipeline,)
    kinds = {"text_encoder": "clip_l", "text_encoder_2": "clip_g", "text_encoder_3": "t5xxl"}
    published_names = {
        "context_embedder": "context_embedder",
        "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0",
    }
    capabilities = frozenset({Capability.GUIDANCE, Capability.POOLED_TEXT, Capability.LORA})
    tokenizer_names = {"text_encoder": "tokenizer", "text_encoder_2": "tokenizer_2", "text_encoder_3": "tokenizer_3"}
    even_steps = False
    longest_shift = 1.16

    def encode(self, prompts: Sequence[str], size: tuple[int, int] | None = None) -> Conditioning:
        """See `ModelFamily`."""
        tokens, _, pooled, _ = self.pipeline.encode_prompt(
            prompt=list(prompts),
            prompt_2=None,
            prompt_3=None,
            device=self.device,
            do_classifier_free_guidance=False,
            max_sequence_length=_T5_TOKENS,
        )
        return Conditioning(tokens, pooled)

    @property
    def prompt_limit(self) -> int:
        """See `ModelFamily`; T5 reads more than the CLIPs, which are cut off without harm then."""
        return self._clip_tokens if self.pipeline.text_encoder_3 is None else _T5_TOKENS

    @property
    def _clip_tokens(self) -> int:
        return int(self.pipeline.tokenizer_max_length)

    def token_spans(self, prompt: str, part: str) -> list[TokenSpan]:
        """See `ModelFamily`."""
        clip = self._clip_tokens
        spans = [self._span(self.pipeline.tokenizer, prompt, part, 0, clip)]
        if self.pipeline.text_encoder_3 is not None:
            spans.append(self._span(self.pipeline.tokenizer_3, prompt, part, clip, clip + _T5_TOKENS))
        return spans

    def text_entries(self) -> dict[str, torch.nn.Linear]:
        """See `ModelFamily`."""
        return {"transformer.context_embedder": self.pipeline.transformer.context_embedder}

    def pooled_entries(self) -> dict[str, torch.nn.Linear]:
        """See `ModelFamily`."""
        name = "time_text_embed.text_embedder.linear_1"
        return {f"transformer.{name}": self.pipeline.transformer.get_submodule(name)}

    @property
    def size_multiple(self) -> int:
        """See `ModelFamily`."""
        return self.reduction * int(self.pipeline.patch_size)

    def predict(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        conditioning: Conditioning,
        guidance_scale: float | None = None,
        parameters: Mapping[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """See `ModelFamily`."""
        return called(
            self.pipeline.transformer,
            parameters,
            hidden_states=latents,
            timestep=self._times(timestep, len(latents)),
            encoder_hidden_states=conditioning.tokens,
            pooled_projections=conditioning.pooled,
            return_dict=False,
        )[0]
