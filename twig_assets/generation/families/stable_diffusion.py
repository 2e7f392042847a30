"""Stable Diffusion 1.x and 2.x: a U-Net with cross-attention, conditioned by one CLIP text encoder."""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

from twig_assets.generation.autoencoder import image_latents, pictures
from twig_assets.generation.conditioning import Conditioning
from twig_assets.generation.family import Capability, ModelFamily, called, computing_device, register

_LOG = logging.getLogger(__name__)
_ATTENTION = re.compile(r"(down_blocks|mid_block|up_blocks)(?:\.(\d+))?\.attentions\.(\d+)\.(.+)")
# The width of the CLIP of Stable Diffusion 2.x, which is OpenCLIP's ViT-H.
_CLIP_H = 1024


@register
class StableDiffusion(ModelFamily):
    """See `ModelFamily`."""

    pipeline_classes = (StableDiffusionPipeline,)
    capabilities = frozenset({Capability.GUIDANCE, Capability.CROSS_ATTENTION, Capability.LORA})
    denoiser_name = "unet"
    trained_under_own_names = True

    def __init__(self, pipeline: Any) -> None:
        super().__init__(pipeline)
        if pipeline.unet.config.time_cond_proj_dim is not None:  # distilled from guidance, whose scale is an input
            self.capabilities = type(self).capabilities - {Capability.GUIDANCE}

    # Components

    def text_encoders(self) -> dict[str, torch.nn.Module]:
        """See `ModelFamily`."""
        return self._present("text_encoder", "text_encoder_2")

    def tokenizers(self) -> dict[str, Any]:
        """See `ModelFamily`."""
        names = {"text_encoder": "tokenizer", "text_encoder_2": "tokenizer_2"}
        return {encoder: getattr(self.pipeline, names[encoder]) for encoder in self.text_encoders()}

    def weights(self) -> dict[str, torch.nn.Module]:
        """See `ModelFamily`."""
        return self._present("text_encoder", "text_encoder_2", "unet", "vae")

    def _present(self, *names: str) -> dict[str, torch.nn.Module]:
        return {name: part for name in names if (part := getattr(self.pipeline, name, None)) is not None}

    def encoder_kinds(self) -> dict[str, str]:
        """See `ModelFamily`."""
        width = self.pipeline.text_encoder.config.hidden_size
        return {"text_encoder": "clip_h" if width == _CLIP_H else "clip_l"}

    def published_name(self, module: str) -> str | None:
        """See `ModelFamily`; of the layers of all attention blocks, which the authors count through."""
        place = _ATTENTION.fullmatch(module)
        each = self.pipeline.unet.config.layers_per_block
        if place is None or not isinstance(each, int):
            return None
        half, block, attention, inside = place.groups()
        if half == "mid_block":
            return f"middle_block.1.{inside}"
        at = int(block) * (each + 1) + int(attention)
        return f"input_blocks.{at + 1}.1.{inside}" if half == "down_blocks" else f"output_blocks.{at}.1.{inside}"

    def remove_safety_checker(self) -> None:
        """See `ModelFamily`."""
        self.pipeline.safety_checker = None

    # Text

    def encode(self, prompts: Sequence[str], size: tuple[int, int] | None = None) -> Conditioning:
        """See `ModelFamily`."""
        return Conditioning(self._encoded(prompts)[0])

    def _encoded(self, prompts: Sequence[str]) -> tuple[Any, ...]:
        encoded: tuple[Any, ...] = self.pipeline.encode_prompt(
            prompt=list(prompts), device=self.device, num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        return encoded

    def unconditional(self, count: int, size: tuple[int, int] | None = None) -> Conditioning:
        """See `ModelFamily`; it is the empty prompt."""
        return self.encode([""] * count, size)

    @property
    def _tokenizer(self) -> Any:
        """The tokenizer by which token positions are counted."""
        return next(iter(self.tokenizers().values()))

    @property
    def prompt_limit(self) -> int:
        """See `ModelFamily`."""
        return int(self._tokenizer.model_max_length)

    def token_ids(self, text: str) -> list[int]:
        """See `ModelFamily`."""
        return list(self._tokenizer(text, truncation=False).input_ids)

    def token_span(self, prompt: str, part: str) -> tuple[int, int]:
        """See `ModelFamily`."""
        if not part:
            end = self._count(prompt) - 1
            return end, end
        start = prompt.rindex(part)
        return self._count(prompt[:start].rstrip()) - 1, self._count(prompt[: start + len(part)]) - 2

    def _count(self, text: str) -> int:
        return len(self._tokenizer(text, truncation=True).input_ids)

    def word_spans(self, words: Sequence[str]) -> list[range]:
        """See `ModelFamily`."""
        spans, start = [], 1
        for word in words:
            count = len(self._tokenizer(word).input_ids) - 2  # a CLIP tokenizer splits at spaces and punctuation first
            spans.append(range(start, start + count))
            start += count
        return spans

    def whole_words(self) -> set[str]:
        """See `ModelFamily`."""
        return {token.removesuffix("</w>") for token in self._tokenizer.get_vocab() if token.endswith("</w>")}

    def text_vectors(self, texts: Sequence[str]) -> torch.Tensor:
        """See `ModelFamily`; the end token's hidden state in the last text encoder, the one trained against images."""
        name, encoder = list(self.text_encoders().items())[-1]
        tokenizer = self.tokenizers()[name]
        tokens = tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=self.prompt_limit, return_tensors="pt"
        )
        hidden = encoder(tokens.input_ids.to(self.device)).last_hidden_state
        ends = (tokens.input_ids == tokenizer.eos_token_id).int().argmax(1)
        vectors: torch.Tensor = hidden[torch.arange(len(texts)), ends.to(hidden.device)].float()
        return vectors

    # Where text enters the denoiser

    def text_entries(self) -> dict[str, torch.nn.Linear]:
        """See `ModelFamily`; the key and value projections of all cross-attention layers."""
        return {
            f"unet.{name}": module
            for name, module in self.pipeline.unet.named_modules()
            if name.endswith(("attn2.to_k", "attn2.to_v"))
        }

    @contextmanager
    def cross_attention(self, wrap: Callable[[Any], Any]) -> Iterator[None]:
        """See `ModelFamily`."""
        unet = self.pipeline.unet
        originals = dict(unet.attn_processors)
        unet.set_attn_processor(
            {name: wrap(processor) if ".attn2." in name else processor for name, processor in originals.items()}
        )
        try:
            yield
        finally:
            unet.set_attn_processor(originals)

    # Denoising

    @property
    def device(self) -> torch.device:
        """See `ModelFamily`; where an offloaded model computes, not where it waits."""
        return computing_device(self.pipeline, self.denoiser)

    @property
    def latent_channels(self) -> int:
        """See `ModelFamily`."""
        return int(self.pipeline.unet.config.in_channels)

    @property
    def reduction(self) -> int:
        """See `ModelFamily`."""
        return int(self.pipeline.vae_scale_factor)

    @property
    def native_size(self) -> tuple[int, int]:
        """See `ModelFamily`."""
        cells = self.pipeline.unet.config.sample_size
        rows, columns = (cells, cells) if isinstance(cells, int) else cells
        return rows * self.reduction, columns * self.reduction

    def predict(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        conditioning: Conditioning,
        guidance_scale: float | None = None,
        parameters: Mapping[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """See `ModelFamily`; a U-Net that was distilled from guidance (LCM) takes the scale as an input."""
        return called(
            self.pipeline.unet,
            parameters,
            latents,
            timestep,
            encoder_hidden_states=conditioning.tokens,
            timestep_cond=self._scale_embedding(latents, guidance_scale),
            return_dict=False,
            **self._added(conditioning),
        )[0]

    def _added(self, conditioning: Conditioning) -> dict[str, Any]:
        """Further arguments of the U-Net."""
        return {}

    def _scale_embedding(self, latents: torch.Tensor, guidance_scale: float | None) -> torch.Tensor | None:
        width = self.pipeline.unet.config.time_cond_proj_dim
        if width is None:
            return None
        scales = torch.full((len(latents),), (guidance_scale or 1.0) - 1)
        embedding: torch.Tensor = self.pipeline.get_guidance_scale_embedding(scales, embedding_dim=width)
        return embedding.to(latents)

    # Images

    def encode_images(self, images: Sequence[np.ndarray] | np.ndarray, size: tuple[int, int]) -> torch.Tensor:
        """See `ModelFamily`."""
        return image_latents(self.pipeline.vae, images, size)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """See `ModelFamily`."""
        return pictures(self.pipeline.vae, latents)

    @torch.no_grad()
    def images(self, latents: torch.Tensor, generators: Sequence[torch.Generator]) -> torch.Tensor:
        """See `ModelFamily`; the safety checker blackens what it holds back, which a warning then says."""
        pipeline = self.pipeline
        decoded = pipeline.vae.decode(
            latents / pipeline.vae.config.scaling_factor, return_dict=False, generator=list(generators)
        )[0]
        decoded, flagged = pipeline.run_safety_checker(decoded, self.device, latents.dtype)
        normalised = [True] * len(decoded) if flagged is None else [not held_back for held_back in flagged]
        if not all(normalised):
            _LOG.warning(
                "the checkpoint's safety checker made %d of %d images black: they do not show what the model drew",
                normalised.count(False),
                len(normalised),
            )
        finished: torch.Tensor = pipeline.image_processor.postprocess(
            decoded, output_type="pt", do_denormalize=normalised
        )
        return finished
