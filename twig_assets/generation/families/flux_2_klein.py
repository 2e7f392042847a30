"""FLUX.2 klein: a transformer over patches of latents, conditioned by the hidden layers of a Qwen3.

Its latents here are the patches as a map, (n, 4 C, h / 2, w / 2), normalised by the autoencoder's batch statistics,
since that is what noise is added to.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers import Flux2KleinPipeline
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu

from twig_assets.generation.conditioning import Conditioning
from twig_assets.generation.families.transformer import FlowTransformer
from twig_assets.generation.family import Capability, called, register


@register
class Flux2Klein(FlowTransformer):
    """See `ModelFamily`; the text encoder is a large language model, which is not trained."""

    pipeline_classes = (Flux2KleinPipeline,)
    published_names = {"context_embedder": "txt_in"}
    trainable = False
    both_at_once = False

    def __init__(self, pipeline: Any) -> None:
        super().__init__(pipeline)
        if pipeline.config.is_distilled:
            self.capabilities = type(self).capabilities - {Capability.GUIDANCE}

    def encode(self, prompts: Sequence[str], size: tuple[int, int] | None = None) -> Conditioning:
        """See `ModelFamily`; padding is read like the prompt."""
        tokens, _ = self.pipeline.encode_prompt(
            prompt=list(prompts), device=self.device, max_sequence_length=self.prompt_limit
        )
        return Conditioning(tokens)

    @property
    def prompt_limit(self) -> int:
        """See `ModelFamily`."""
        return int(self.pipeline.tokenizer_max_length)

    def _written(self, prompt: str) -> tuple[str, int]:
        return written_as_chat(self.pipeline.tokenizer, prompt, enable_thinking=False)

    def text_entries(self) -> dict[str, torch.nn.Linear]:
        """See `ModelFamily`."""
        return {"transformer.context_embedder": self.pipeline.transformer.context_embedder}

    @property
    def reduction(self) -> int:
        """See `ModelFamily`; of a patch."""
        return 2 * int(self.pipeline.vae_scale_factor)

    def _shift(self, steps: int, patches: int, config: Mapping[str, Any]) -> float:
        return float(compute_empirical_mu(image_seq_len=patches, num_steps=steps))

    def predict(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        conditioning: Conditioning,
        guidance_scale: float | None = None,
        parameters: Mapping[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """See `ModelFamily`."""
        pipeline = self.pipeline
        predicted = called(
            pipeline.transformer,
            parameters,
            hidden_states=latents.flatten(2).transpose(1, 2).to(self.dtype),
            timestep=self._times(timestep, len(latents)).to(latents.dtype) / 1000,
            guidance=None,
            encoder_hidden_states=conditioning.tokens,
            txt_ids=pipeline._prepare_text_ids(conditioning.tokens).to(latents.device),
            img_ids=pipeline._prepare_latent_ids(latents).to(latents.device),
            return_dict=False,
        )[0]
        return predicted.transpose(1, 2).reshape(latents.shape)

    def _statistics(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation of each channel of the patches, (1, 4 C, 1, 1) each."""
        vae = self.pipeline.vae
        deviation = torch.sqrt(vae.bn.running_var.view(1, -1, 1, 1) + vae.config.batch_norm_eps)
        return vae.bn.running_mean.view(1, -1, 1, 1).to(latents), deviation.to(latents)

    def _for_decoder(self, latents: torch.Tensor) -> torch.Tensor:
        mean, deviation = self._statistics(latents)
        unpatched: torch.Tensor = self.pipeline._unpatchify_latents(latents * deviation + mean)
        return unpatched

    def _for_denoiser(self, latents: torch.Tensor) -> torch.Tensor:
        patches = self.pipeline._patchify_latents(latents)
        mean, deviation = self._statistics(patches)
        return (patches - mean) / deviation


def written_as_chat(tokenizer: Any, prompt: str, enable_thinking: bool) -> tuple[str, int]:
    """A prompt as a message to a language model, and at which character it begins there."""
    text: str = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}],
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=enable_thinking,
    )
    return text, text.rindex(prompt)
