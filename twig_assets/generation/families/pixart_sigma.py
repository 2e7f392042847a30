"""PixArt-Sigma: a transformer with cross-attention, conditioned by a T5; it draws like Stable Diffusion."""

from collections.abc import Mapping, Sequence

import torch
from diffusers import PixArtSigmaPipeline

from twig_assets.generation.conditioning import Conditioning
from twig_assets.generation.families.transformer import TransformerFamily
from twig_assets.generation.family import Capability, called, register
from twig_assets.generation.tokens import TokenSpan

# What the pipeline lets T5 read.
_T5_TOKENS = 300


@register
class PixArtSigma(TransformerFamily):
    """See `ModelFamily`."""

    pipeline_classes = (PixArtSigmaPipeline,)
    capabilities = frozenset({Capability.GUIDANCE})
    prompt_limit = _T5_TOKENS

    def encode(self, prompts: Sequence[str], size: tuple[int, int] | None = None) -> Conditioning:
        """See `ModelFamily`."""
        tokens, mask, _, _ = self.pipeline.encode_prompt(
            list(prompts),
            do_classifier_free_guidance=False,
            device=self.device,
            clean_caption=False,
            max_sequence_length=_T5_TOKENS,
        )
        return Conditioning(tokens, mask=mask.bool())

    def _written(self, prompt: str) -> tuple[str, int]:
        return prompt.lower(), 0

    def token_spans(self, prompt: str, part: str) -> list[TokenSpan]:
        """See `ModelFamily`; the padding after the prompt is not read."""
        stop = min(len(self.token_ids(prompt)), _T5_TOKENS)
        return [self._span(self._tokenizer, prompt, part, 0, stop)]

    def text_entries(self) -> dict[str, torch.nn.Linear]:
        """See `ModelFamily`."""
        return {"transformer.caption_projection.linear_1": self.pipeline.transformer.caption_projection.linear_1}

    @property
    def native_size(self) -> tuple[int, int]:
        """See `ModelFamily`."""
        side = int(self.pipeline.transformer.config.sample_size) * self.reduction
        return side, side

    def predict(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        conditioning: Conditioning,
        guidance_scale: float | None = None,
        parameters: Mapping[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """See `ModelFamily`; what the transformer says of the noise's variance is not used."""
        predicted = called(
            self.pipeline.transformer,
            parameters,
            latents,
            encoder_hidden_states=conditioning.tokens,
            encoder_attention_mask=conditioning.mask,
            timestep=self._times(timestep, len(latents)),
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
            return_dict=False,
        )[0]
        return predicted[:, : self.latent_channels]

    def _for_decoder(self, latents: torch.Tensor) -> torch.Tensor:
        return latents / self.pipeline.vae.config.scaling_factor

    def _for_denoiser(self, latents: torch.Tensor) -> torch.Tensor:
        return latents * self.pipeline.vae.config.scaling_factor
