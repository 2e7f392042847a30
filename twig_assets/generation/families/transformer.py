"""What families whose denoiser is a transformer have in common; each says in its own file what it has of its own."""

import copy
import inspect
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from twig_assets.generation.autoencoder import image_latents, single_precision
from twig_assets.generation.conditioning import Conditioning
from twig_assets.generation.family import Capability, ModelFamily, computing_device
from twig_assets.generation.tokens import TokenSpan, spans_of_words, tokens_between, whole_words


class TransformerFamily(ModelFamily):
    """See `ModelFamily`.

    Attributes:
        tokenizer_names: Text encoder -> its tokenizer, in the order of the fingerprint.
        trainable: Whether the text encoders are small enough to be trained whole. Large language models are not.
        kinds: Text encoder -> its kind, see `encoder_kinds`.
        published_names: Module of the transformer -> what its authors call it, where that is known.
    """

    denoiser_name = "transformer"
    capabilities = frozenset({Capability.GUIDANCE, Capability.LORA})
    tokenizer_names: ClassVar[dict[str, str]] = {"text_encoder": "tokenizer"}
    trainable: ClassVar[bool] = True
    kinds: ClassVar[dict[str, str]] = {}
    published_names: ClassVar[dict[str, str]] = {}

    # Components

    def _encoders(self) -> dict[str, torch.nn.Module]:
        return {name: part for name in self.tokenizer_names if (part := getattr(self.pipeline, name)) is not None}

    def text_encoders(self) -> dict[str, torch.nn.Module]:
        """See `ModelFamily`."""
        return self._encoders() if self.trainable else {}

    def encoder_kinds(self) -> dict[str, str]:
        """See `ModelFamily`."""
        return self.kinds

    def published_name(self, module: str) -> str | None:
        """See `ModelFamily`."""
        return self.published_names.get(module)

    def tokenizers(self) -> dict[str, Any]:
        """See `ModelFamily`."""
        return {name: getattr(self.pipeline, self.tokenizer_names[name]) for name in self._encoders()}

    def weights(self) -> dict[str, torch.nn.Module]:
        """See `ModelFamily`."""
        return {**self._encoders(), "transformer": self.pipeline.transformer, "vae": self.pipeline.vae}

    # Text

    @property
    def _tokenizer(self) -> Any:
        """The tokenizer by which prompts are measured: that of the encoder that reads most of them."""
        return list(self.tokenizers().values())[-1]

    def _written(self, prompt: str) -> tuple[str, int]:
        """What the text encoder is given for a prompt, and at which of its characters the prompt begins."""
        return prompt, 0

    def unconditional(self, count: int, size: tuple[int, int] | None = None) -> Conditioning:
        """See `ModelFamily`; it is the empty prompt."""
        self.require(Capability.GUIDANCE, "drawing without the prompt")
        return self.encode([""] * count, size)

    def token_ids(self, text: str) -> list[int]:
        """See `ModelFamily`."""
        return list(self._tokenizer(self._written(text)[0], truncation=False).input_ids)

    def token_span(self, prompt: str, part: str) -> tuple[int, int]:
        """See `ModelFamily`."""
        span = self.token_spans(prompt, part)[-1]
        return span.first, span.last

    def token_spans(self, prompt: str, part: str) -> list[TokenSpan]:
        """See `ModelFamily`."""
        return [self._span(self._tokenizer, prompt, part, 0, self.prompt_limit)]

    def _span(self, tokenizer: Any, prompt: str, part: str, begin: int, stop: int) -> TokenSpan:
        """The span of one encoder, whose tokens are the rows from `begin` to `stop`; what is cut off is its last."""
        text, offset = self._written(prompt)
        start = offset + prompt.rindex(part) if part else 0
        first, last = tokens_between(tokenizer, text, start, start + len(part))
        return TokenSpan(min(begin + first, stop - 1), min(begin + last, stop - 1), stop)

    def word_spans(self, words: Sequence[str]) -> list[range]:
        """See `ModelFamily`."""
        return spans_of_words(self._tokenizer, *self._written(" ".join(words)), words)

    def whole_words(self) -> set[str]:
        """See `ModelFamily`."""
        return whole_words(self._tokenizer)

    def text_vectors(self, texts: Sequence[str]) -> torch.Tensor:
        """See `ModelFamily`; the pooled embedding, or the mean of the tokens where there is none."""
        encoded = self.encode(texts)
        if encoded.pooled is not None:
            return encoded.pooled.float()
        read = torch.ones_like(encoded.tokens[..., :1]) if encoded.mask is None else encoded.mask[..., None]
        return (encoded.tokens.float() * read).sum(1) / read.sum(1)

    # Denoising

    @property
    def device(self) -> torch.device:
        """See `ModelFamily`; where an offloaded model computes, not where it waits."""
        return computing_device(self.pipeline, self.denoiser)

    @property
    def latent_channels(self) -> int:
        """See `ModelFamily`."""
        return int(self.pipeline.transformer.config.in_channels)

    @property
    def reduction(self) -> int:
        """See `ModelFamily`."""
        return int(self.pipeline.vae_scale_factor)

    @property
    def size_multiple(self) -> int:
        """See `ModelFamily`; the transformer takes latents in patches of two by two."""
        return 2 * int(self.pipeline.vae_scale_factor)

    @property
    def native_size(self) -> tuple[int, int]:
        """See `ModelFamily`."""
        side = int(self.pipeline.default_sample_size) * int(self.pipeline.vae_scale_factor)
        return side, side

    def _times(self, timestep: torch.Tensor, count: int) -> torch.Tensor:
        """The timestep of each of n images, (n,)."""
        return timestep.to(self.device).expand(count)

    # Images

    @abstractmethod
    def _for_decoder(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (n, C, h, w) as the autoencoder has them."""

    @abstractmethod
    def _for_denoiser(self, latents: torch.Tensor) -> torch.Tensor:
        """The reverse."""

    def encode_images(self, images: Sequence[np.ndarray] | np.ndarray, size: tuple[int, int]) -> torch.Tensor:
        """See `ModelFamily`."""
        return self._for_denoiser(image_latents(self.pipeline.vae, images, size, scaled=False))

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """See `ModelFamily`."""
        return (self._decoded(latents).float() / 2 + 0.5).clamp(0, 1)

    def images(self, latents: torch.Tensor, generators: Sequence[torch.Generator]) -> torch.Tensor:
        """See `ModelFamily`."""
        finished: torch.Tensor = self.pipeline.image_processor.postprocess(self._decoded(latents), output_type="pt")
        return finished

    @torch.no_grad()
    def _decoded(self, latents: torch.Tensor) -> torch.Tensor:
        """Pictures (n, 3, H, W), -1 to 1."""
        vae = self.pipeline.vae
        with single_precision(vae):
            decoded: torch.Tensor = vae.decode(self._for_decoder(latents).to(vae.dtype), return_dict=False)[0]
        return decoded


class FlowTransformer(TransformerFamily):
    """A transformer that steps along a flow, whose noise levels are shifted with the size of the image.

    Attributes:
        even_steps: Whether the pipeline names the noise levels itself: evenly spaced ones, before the shift.
        longest_shift: The shift of the largest images where the scheduler's configuration names none.
    """

    even_steps: ClassVar[bool] = True
    longest_shift: ClassVar[float] = 1.15

    def scheduler(self, steps: int, size: tuple[int, int]) -> Any:
        """See `ModelFamily`."""
        scheduler = copy.deepcopy(self.noise_schedule)
        config, taken = scheduler.config, inspect.signature(scheduler.set_timesteps).parameters
        options: dict[str, Any] = {}
        if "mu" in taken and (self.even_steps or config.get("use_dynamic_shifting")):
            options["mu"] = self._shift(steps, self._patches(size), config)
        if self.even_steps and "sigmas" in taken and not config.get("use_flow_sigmas"):
            options["sigmas"] = self._levels(steps)
        else:
            options["num_inference_steps"] = steps
        scheduler.set_timesteps(device=self.device, **options)
        if self.even_steps and hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(0)
        return scheduler

    def _levels(self, steps: int) -> Any:
        return np.linspace(1.0, 1 / steps, steps)

    def _patches(self, size: tuple[int, int]) -> int:
        """How many tokens the image is to the transformer."""
        return (size[0] // self.size_multiple) * (size[1] // self.size_multiple)

    def _shift(self, steps: int, patches: int, config: Mapping[str, Any]) -> float:
        """By how much the noise levels are shifted; linear in the number of patches (Esser et al. 2024, 2403.03206)."""
        least, most = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
        low, high = config.get("base_shift", 0.5), config.get("max_shift", self.longest_shift)
        slope = (high - low) / (most - least)
        return float(patches * slope + (low - slope * least))

    def _for_decoder(self, latents: torch.Tensor) -> torch.Tensor:
        config = self.pipeline.vae.config
        return (latents / config.scaling_factor) + config.shift_factor

    def _for_denoiser(self, latents: torch.Tensor) -> torch.Tensor:
        config = self.pipeline.vae.config
        return (latents - config.shift_factor) * config.scaling_factor


def packed(latents: torch.Tensor) -> torch.Tensor:
    """Latents (n, C, h, w) as a sequence of patches of two by two, (n, h w / 4, 4 C)."""
    count, channels, height, width = latents.shape
    patches = latents.reshape(count, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return patches.reshape(count, height * width // 4, 4 * channels)


def unpacked(patches: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The reverse; `size` is the height and width of the latents."""
    height, width = size
    latents = patches.reshape(len(patches), height // 2, width // 2, -1, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return latents.reshape(len(patches), -1, height, width)
