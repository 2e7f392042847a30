"""Qwen-Image: a transformer over packed latents, conditioned by a Qwen2.5-VL; guidance keeps the length."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from diffusers import QwenImagePipeline

from twig_assets.generation.autoencoder import encoded_images
from twig_assets.generation.conditioning import Conditioning
from twig_assets.generation.families.transformer import FlowTransformer, packed, unpacked
from twig_assets.generation.families.z_image import padded
from twig_assets.generation.family import Capability, called, register
from twig_assets.generation.tokens import TokenSpan

# What the pipeline lets the transformer read.
_TOKENS = 512


@register
class QwenImage(FlowTransformer):
    """See `ModelFamily`; the text encoder is a large language model, which is not trained."""

    pipeline_classes = (QwenImagePipeline,)
    published_names = {"txt_in": "txt_in"}
    trainable = False
    both_at_once = False
    prompt_limit = _TOKENS

    def __init__(self, pipeline: Any) -> None:
        super().__init__(pipeline)
        if pipeline.transformer.config.guidance_embeds:
            self.capabilities = type(self).capabilities - {Capability.GUIDANCE}

    def encode(self, prompts: Sequence[str], size: tuple[int, int] | None = None) -> Conditioning:
        """See `ModelFamily`; the instructions around the prompt are not among the tokens."""
        tokens, read = self.pipeline.encode_prompt(
            prompt=list(prompts), device=self.device, max_sequence_length=_TOKENS
        )
        if read is None:
            return padded(list(tokens), _TOKENS)
        return padded([rows[mask.bool()] for rows, mask in zip(tokens, read, strict=True)], _TOKENS)

    def _written(self, prompt: str) -> tuple[str, int]:
        template: str = self.pipeline.prompt_template_encode
        return template.format(prompt), template.index("{}")

    @property
    def _dropped(self) -> int:
        """How many tokens of the instructions before the prompt are left out."""
        return int(self.pipeline.prompt_template_encode_start_idx)

    def token_ids(self, text: str) -> list[int]:
        """See `ModelFamily`."""
        return super().token_ids(text)[self._dropped :]

    def token_spans(self, prompt: str, part: str) -> list[TokenSpan]:
        """See `ModelFamily`; no padding follows the prompt."""
        stop = min(len(self.token_ids(prompt)), _TOKENS)
        return [self._span(self._tokenizer, prompt, part, -self._dropped, stop)]

    def word_spans(self, words: Sequence[str]) -> list[range]:
        """See `ModelFamily`."""
        return [range(s.start - self._dropped, s.stop - self._dropped) for s in super().word_spans(words)]

    def text_entries(self) -> dict[str, torch.nn.Linear]:
        """See `ModelFamily`."""
        return {"transformer.txt_in": self.pipeline.transformer.txt_in}

    def entry_inputs(self, conditioning: Conditioning) -> torch.Tensor:
        """See `ModelFamily`; they are normalised first."""
        inputs: torch.Tensor = self.pipeline.transformer.txt_norm(conditioning.tokens)
        return inputs

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
        """See `ModelFamily`; the transformer sees no more padding than the longest of the prompts needs."""
        transformer, (height, width) = self.pipeline.transformer, latents.shape[-2:]
        assert conditioning.mask is not None
        longest = int(conditioning.mask.sum(1).max())
        mask = conditioning.mask[:, :longest]
        scale = None
        if transformer.config.guidance_embeds:
            scale = torch.full([len(latents)], guidance_scale or 1.0, device=latents.device, dtype=torch.float32)
        patches = called(
            transformer,
            parameters,
            hidden_states=packed(latents),
            timestep=self._times(timestep, len(latents)).to(latents.dtype) / 1000,
            guidance=scale,
            encoder_hidden_states_mask=None if mask.all() else mask.long(),
            encoder_hidden_states=conditioning.tokens[:, :longest],
            img_shapes=[[(1, height // 2, width // 2)]] * len(latents),
            return_dict=False,
        )[0]
        return unpacked(patches, (height, width))

    def guided(self, without: torch.Tensor, prompted: torch.Tensor, scale: float) -> torch.Tensor:
        """See `ModelFamily`; each patch of the prediction is as long as with the prompt alone."""
        size = (prompted.shape[-2], prompted.shape[-1])
        first, own = packed(without), packed(prompted)
        both = first + scale * (own - first)
        length, wanted = (torch.norm(each, dim=-1, keepdim=True) for each in (both, own))
        return unpacked(both * (wanted / length), size)

    def encode_images(self, images: Sequence[np.ndarray] | np.ndarray, size: tuple[int, int]) -> torch.Tensor:
        """See `ModelFamily`; to the autoencoder an image is a film of one frame."""
        vae = self.pipeline.vae
        return self._for_denoiser(encoded_images(vae, images, size, lambda pixels: pixels.unsqueeze(2))[:, :, 0])

    def _statistics(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and one over the deviation of each channel of the latents, (1, C, 1, 1) each."""
        config = self.pipeline.vae.config
        mean = torch.tensor(config.latents_mean).view(1, -1, 1, 1).to(latents)
        return mean, 1.0 / torch.tensor(config.latents_std).view(1, -1, 1, 1).to(latents)

    def _for_decoder(self, latents: torch.Tensor) -> torch.Tensor:
        mean, inverse = self._statistics(latents)
        return (latents / inverse + mean).unsqueeze(2)

    def _for_denoiser(self, latents: torch.Tensor) -> torch.Tensor:
        mean, inverse = self._statistics(latents)
        return (latents - mean) * inverse

    def _decoded(self, latents: torch.Tensor) -> torch.Tensor:
        return super()._decoded(latents)[:, :, 0]
