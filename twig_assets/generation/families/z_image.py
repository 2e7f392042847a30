"""Z-Image: a single-stream transformer, conditioned by a Qwen3, that is given images and prompts as lists.

The turbo checkpoints draw without guidance: `guidance_scale: 1`.
"""

from collections.abc import Mapping, Sequence

import torch
from diffusers import ZImagePipeline

from twig_assets.generation.conditioning import Conditioning
from twig_assets.generation.families.flux_2_klein import written_as_chat
from twig_assets.generation.families.transformer import FlowTransformer
from twig_assets.generation.family import called, register
from twig_assets.generation.tokens import TokenSpan

# What the pipeline lets the text encoder read.
_TOKENS = 512


@register
class ZImage(FlowTransformer):
    """See `ModelFamily`; the text encoder is a large language model, which is not trained."""

    pipeline_classes = (ZImagePipeline,)
    published_names = {"cap_embedder.1": "cap_embedder.1"}
    trainable = False
    prompt_limit = _TOKENS
    native_size = (1024, 1024)

    def encode(self, prompts: Sequence[str], size: tuple[int, int] | None = None) -> Conditioning:
        """See `ModelFamily`."""
        listed, _ = self.pipeline.encode_prompt(
            prompt=list(prompts), device=self.device, do_classifier_free_guidance=False, max_sequence_length=_TOKENS
        )
        return padded(listed, _TOKENS)

    def _written(self, prompt: str) -> tuple[str, int]:
        return written_as_chat(self.pipeline.tokenizer, prompt, enable_thinking=True)

    def token_spans(self, prompt: str, part: str) -> list[TokenSpan]:
        """See `ModelFamily`; no padding follows the prompt."""
        stop = min(len(self.token_ids(prompt)), _TOKENS)
        return [self._span(self._tokenizer, prompt, part, 0, stop)]

    def text_entries(self) -> dict[str, torch.nn.Linear]:
        """See `ModelFamily`."""
        return {"transformer.cap_embedder.1": self.pipeline.transformer.cap_embedder[1]}

    def entry_inputs(self, conditioning: Conditioning) -> torch.Tensor:
        """See `ModelFamily`; they are normalised first."""
        inputs: torch.Tensor = self.pipeline.transformer.cap_embedder[0](conditioning.tokens)
        return inputs

    @property
    def latent_channels(self) -> int:
        """See `ModelFamily`."""
        return int(self.pipeline.transformer.in_channels)

    def starting_noise(self, generators: Sequence[torch.Generator], size: tuple[int, int]) -> torch.Tensor:
        """See `ModelFamily`; it stays in float32."""
        shape = (1, self.latent_channels, size[0] // self.reduction, size[1] // self.reduction)
        return torch.cat([torch.randn(shape, generator=generator) for generator in generators]).to(self.device)

    def _levels(self, steps: int) -> list[float]:
        return torch.linspace(1.0, 1 / steps, steps).tolist()

    def predict(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        conditioning: Conditioning,
        guidance_scale: float | None = None,
        parameters: Mapping[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """See `ModelFamily`; the transformer predicts the flow the other way round."""
        predicted = called(
            self.pipeline.transformer,
            parameters,
            list(latents.to(self.dtype).unsqueeze(2).unbind(0)),
            (1000 - self._times(timestep, len(latents))) / 1000,
            unpadded(conditioning),
            return_dict=False,
        )[0]
        return -torch.stack([image.float() for image in predicted]).squeeze(2)

    def guided(self, without: torch.Tensor, prompted: torch.Tensor, scale: float) -> torch.Tensor:
        """See `ModelFamily`; the same, as the pipeline writes it."""
        return prompted + (scale - 1) * (prompted - without)


def padded(listed: Sequence[torch.Tensor], length: int) -> Conditioning:
    """Embeddings of n prompts, (t_i, d) each, as one tensor, with zeros after each and a mask."""
    tokens = torch.stack([torch.nn.functional.pad(rows, (0, 0, 0, length - len(rows))) for rows in listed])
    counts = torch.tensor([len(rows) for rows in listed], device=tokens.device)
    return Conditioning(tokens, mask=torch.arange(length, device=tokens.device) < counts[:, None])


def unpadded(conditioning: Conditioning) -> list[torch.Tensor]:
    """The reverse."""
    assert conditioning.mask is not None
    return [rows[read] for rows, read in zip(conditioning.tokens, conditioning.mask, strict=True)]
