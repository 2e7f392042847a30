"""The seam between this program and a text-to-image model: what a family of models has to offer, and which one it is.

Every pipeline class that can be used belongs to a `ModelFamily`, one file each in `families/`. Everything that is
particular to a class of models (what encodes a prompt, what the denoiser is called, where text enters it, how latents
are packed) is known there and nowhere else: generation, regeneration, segmentation and ablation ask the family.
"""

import copy
import inspect
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

import numpy as np
import torch
from torch.func import functional_call

from twig_assets.generation.conditioning import Conditioning
from twig_assets.generation.tokens import TokenSpan

# A pipeline object of a class that a registered family names, such as diffusers' StableDiffusionPipeline.
Pipeline: TypeAlias = Any


class Capability(StrEnum):
    """What some families offer and others do not."""

    GUIDANCE = "classifier-free guidance"
    CROSS_ATTENTION = "cross-attention"
    POOLED_TEXT = "a pooled text embedding"
    LORA = "LoRAs"


_INSTEAD = {
    Capability.GUIDANCE: "choose a strategy other than 'delay', and no negative prompt",
    Capability.CROSS_ATTENTION: "choose a strategy other than 'suppress' and 'relocate', and a mask source other than "
    "'bright_ending'",
    Capability.POOLED_TEXT: "edit the token embeddings alone",
    Capability.LORA: "open the checkpoint without `loras:`",
}


class UnknownFamilyError(ValueError):
    """A pipeline of a class that no registered family knows."""


class MissingCapabilityError(ValueError):
    """A model was asked for something that its family does not have."""


class ModelFamily(Protocol):
    """One pipeline, seen through what all text-to-image models have in common.

    Latents are always maps, (n, C, h, w): a family whose denoiser wants them packed packs and unpacks in `predict`.
    A method without a body here has to be written for every family; the others suit most of diffusers.

    Attributes:
        pipeline_classes: The pipeline classes that belong to the family.
        capabilities: What the model has of what not all models have.
        pipeline: The pipeline itself.
        denoiser_name: Its component that denoises, such as `unet` or `transformer`.
        both_at_once: Whether guidance predicts with and without the prompts in one call, as the pipeline itself does it
            or does not: the last digits depend on it.
        trained_under_own_names: Whether kohya's sd-scripts name the denoiser's layers as diffusers does, and not as the
            model's authors do.
    """

    pipeline_classes: ClassVar[tuple[type, ...]]
    capabilities: frozenset[Capability]
    denoiser_name: ClassVar[str]
    both_at_once: ClassVar[bool] = True
    trained_under_own_names: ClassVar[bool] = False
    pipeline: Pipeline

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def require(self, capability: Capability, purpose: str) -> None:
        """Refuse what the family cannot do.

        Args:
            capability: What is needed.
            purpose: What for, as the subject of a sentence, for example `the strategy 'suppress'`.

        Raises:
            MissingCapabilityError: If the family lacks it, with what to do instead.
        """
        if capability not in self.capabilities:
            raise MissingCapabilityError(
                f"{purpose} needs {capability}, which a {type(self.pipeline).__name__} does not have; "
                f"{_INSTEAD[capability]}, or use another model"
            )

    # Components

    @property
    def denoiser(self) -> torch.nn.Module:
        """The network that denoises."""
        module: torch.nn.Module = getattr(self.pipeline, self.denoiser_name)
        return module

    @abstractmethod
    def text_encoders(self) -> dict[str, torch.nn.Module]:
        """The text encoders that can be trained, by the component's name, which begins with `text_encoder`."""

    @abstractmethod
    def tokenizers(self) -> dict[str, Any]:
        """The tokenizer of each text encoder, by the text encoder's name."""

    @abstractmethod
    def weights(self) -> dict[str, torch.nn.Module]:
        """The components whose weights make up the fingerprint, by name, in the order in which they are hashed."""

    @contextmanager
    def replaced(self, components: Mapping[str, torch.nn.Module]) -> Iterator[None]:
        """While the block runs, other modules stand in place of the pipeline's components of these names."""
        originals = {name: getattr(self.pipeline, name) for name in components}
        try:
            for name, module in components.items():
                setattr(self.pipeline, name, module)
            yield
        finally:
            for name, module in originals.items():
                setattr(self.pipeline, name, module)

    def encoder_kinds(self) -> dict[str, str]:
        """Text encoder -> what other programs call its kind: `clip_l`, `clip_g`, `clip_h` or `t5xxl`."""
        return {}

    def published_name(self, module: str) -> str | None:
        """What the model's authors call a module of the denoiser, as in their own files; None where it is not known.

        Args:
            module: Its name in diffusers, without the component in front.
        """
        return None

    def remove_safety_checker(self) -> None:
        """From now on, images are given back as they were drawn; nothing happens where there is no safety checker."""

    # Text

    @abstractmethod
    def encode(self, prompts: Sequence[str], size: tuple[int, int] | None = None) -> Conditioning:
        """Encode prompts with all text encoders; gradients flow where they are on.

        Args:
            prompts: n prompts.
            size: Height and width in pixels of the images to draw; the checkpoint's own when None.

        Returns:
            The conditioning of n prompts.
        """

    @abstractmethod
    def unconditional(self, count: int, size: tuple[int, int] | None = None) -> Conditioning:
        """What classifier-free guidance starts from, `count` times; `size` as in `encode`.

        Raises:
            MissingCapabilityError: If the family has no classifier-free guidance.
        """

    @property
    @abstractmethod
    def prompt_limit(self) -> int:
        """How many tokens of a prompt are read, those that mark start and end included."""

    @abstractmethod
    def token_ids(self, text: str) -> list[int]:
        """The token ids of a text, those that mark start and end included; nothing is cut off."""

    @abstractmethod
    def token_span(self, prompt: str, part: str) -> tuple[int, int]:
        """Which rows of `Conditioning.tokens` hold the last occurrence of a part of the prompt: first and last row.

        For an empty part, both are the row of the end token.

        Raises:
            ValueError: If the part does not occur in the prompt.
        """

    def token_spans(self, prompt: str, part: str) -> list[TokenSpan]:
        """The same for each text encoder whose tokens have rows of their own, one encoder after the other."""
        return [TokenSpan(*self.token_span(prompt, part), self.prompt_limit)]

    @abstractmethod
    def word_spans(self, words: Sequence[str]) -> list[range]:
        """The rows of `Conditioning.tokens` of each of the words and punctuation marks that a prompt is made of."""

    @abstractmethod
    def whole_words(self) -> set[str]:
        """The words that the tokenizer knows as one token."""

    @abstractmethod
    def text_vectors(self, texts: Sequence[str]) -> torch.Tensor:
        """One vector for each text, float32 (n, d), whose cosine says how alike two texts are to the text encoder."""

    # Where text enters the denoiser

    @abstractmethod
    def text_entries(self) -> dict[str, torch.nn.Linear]:
        """The linear layers through which token embeddings enter the denoiser.

        By name with the component in front, such as `unet.mid_block.attentions.0...attn2.to_k`, in a fixed order.
        """

    def entry_inputs(self, conditioning: Conditioning) -> torch.Tensor:
        """The token embeddings (n, t, d) as these layers see them; some denoisers normalise them first."""
        return conditioning.tokens

    def pooled_entries(self) -> dict[str, torch.nn.Linear]:
        """The linear layers through which the pooled embedding enters, named likewise; none in most families.

        The first columns of their weight belong to the pooled embedding; further inputs may follow it.
        """
        return {}

    def cross_attention(self, wrap: Callable[[Any], Any]) -> AbstractContextManager[None]:
        """While the block runs, every cross-attention processor is the one that `wrap` makes of it.

        Args:
            wrap: Called once for each cross-attention layer, in the order of the layers, with diffusers' processor.

        Raises:
            MissingCapabilityError: If the family has no cross-attention.
        """
        self.require(Capability.CROSS_ATTENTION, "changing or watching attention")
        raise NotImplementedError(f"{type(self).__name__} claims cross-attention and does not expose it")

    # Denoising

    @property
    def device(self) -> torch.device:
        """Where the denoiser computes."""
        device: torch.device = next(self.denoiser.parameters()).device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """The number format that the denoiser computes in."""
        dtype: torch.dtype = next(self.denoiser.parameters()).dtype
        return dtype

    @property
    @abstractmethod
    def latent_channels(self) -> int:
        """Channels C of the latents."""

    @property
    @abstractmethod
    def reduction(self) -> int:
        """Pixels per latent cell along one side, 8 for Stable Diffusion."""

    @property
    def size_multiple(self) -> int:
        """What height and width in pixels have to be multiples of."""
        return self.reduction

    @property
    @abstractmethod
    def native_size(self) -> tuple[int, int]:
        """Height and width in pixels that the checkpoint was trained for."""

    def starting_noise(self, generators: Sequence[torch.Generator], size: tuple[int, int]) -> torch.Tensor:
        """Standard normal latents (n, C, h, w), each drawn on the CPU by its own generator so that all devices agree.

        Args:
            generators: n generators on the CPU.
            size: Height and width in pixels.
        """
        shape = (1, self.latent_channels, size[0] // self.reduction, size[1] // self.reduction)
        noise = [torch.randn(shape, generator=generator) for generator in generators]
        return torch.cat(noise).to(self.device, self.dtype)

    @property
    def noise_schedule(self) -> Any:
        """The pipeline's own scheduler, whose configuration says what the model was trained on; do not step it."""
        return self.pipeline.scheduler

    def scheduler(self, steps: int, size: tuple[int, int]) -> Any:
        """A scheduler of its own for one drawing, ready for the first of its steps.

        Args:
            steps: Denoising steps, at least 1.
            size: Height and width in pixels; some families shift their noise levels with it.
        """
        scheduler = copy.deepcopy(self.noise_schedule)
        scheduler.set_timesteps(steps, device=self.device)
        return scheduler

    @abstractmethod
    def predict(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        conditioning: Conditioning,
        guidance_scale: float | None = None,
        parameters: Mapping[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """The denoiser's prediction, (n, C, h, w), of the kind that the scheduler expects; gradients flow where on.

        Args:
            latents: Noisy latents (n, C, h, w), scaled as the scheduler's `scale_model_input` does it.
            timestep: Of the scheduler's timesteps, a scalar or (n,).
            conditioning: Of n prompts.
            guidance_scale: For a denoiser that takes the guidance scale as an input; the others pass it over.
            parameters: Values that stand in for parameters of the denoiser in this call, by their name in the module.
        """

    def guided(self, without: torch.Tensor, prompted: torch.Tensor, scale: float) -> torch.Tensor:
        """The prediction with classifier-free guidance, of those without and with the prompt, (n, C, h, w) each."""
        return without + scale * (prompted - without)

    def step(
        self,
        scheduler: Any,
        prediction: torch.Tensor,
        timestep: torch.Tensor,
        latents: torch.Tensor,
        generators: Sequence[torch.Generator] | None = None,
    ) -> torch.Tensor:
        """The scheduler's step from latents (n, C, h, w) and a prediction of the same shape to the next latents.

        Args:
            scheduler: What `scheduler` gave.
            prediction: What `predict` gave, guidance included.
            timestep: The present one of the scheduler's timesteps.
            latents: The latents that the prediction was made from, before `scale_model_input`.
            generators: n generators, for a scheduler that adds noise at its steps.
        """
        draws = "generator" in inspect.signature(scheduler.step).parameters
        noise = {"generator": list(generators)} if draws and generators is not None else {}
        stepped: torch.Tensor = scheduler.step(prediction, timestep, latents, **noise, return_dict=False)[0]
        return stepped

    # Images

    @abstractmethod
    def encode_images(self, images: Sequence[np.ndarray] | np.ndarray, size: tuple[int, int]) -> torch.Tensor:
        """Images as the denoiser sees them, float32 (n, C, h, w), without gradients.

        Args:
            images: n uint8 arrays of shape (H, W, 3); those of another size are resized.
            size: Height and width in pixels.
        """

    @abstractmethod
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """The reverse of `encode_images`: pictures, float32 (n, 3, H, W), 0 to 1, without gradients."""

    def images(self, latents: torch.Tensor, generators: Sequence[torch.Generator]) -> torch.Tensor:
        """The finished images of final latents, float (n, 3, H, W), 0 to 1.

        Besides decoding this does what the pipeline does to an image before it gives it away, such as its safety
        checker and its watermark.

        Args:
            latents: Final latents (n, C, h, w).
            generators: n generators, for a decoder that draws noise.
        """
        return self.decode(latents)


Family = TypeVar("Family", bound=type[ModelFamily])
# Pipeline class -> the family it belongs to; `register` adds to it.
FAMILIES: dict[type, type[ModelFamily]] = {}


def register(family: Family) -> Family:
    """Make a family known: from now on, pipelines of its `pipeline_classes` are seen through it. A class decorator."""
    for pipeline_class in family.pipeline_classes:
        FAMILIES[pipeline_class] = family
    return family


def known_pipelines() -> list[str]:
    """The names of the pipeline classes that can be used, in alphabetical order."""
    return sorted(pipeline_class.__name__ for pipeline_class in FAMILIES)


def family_of(pipeline: Pipeline) -> ModelFamily:
    """The family that a pipeline belongs to, around this pipeline.

    Raises:
        UnknownFamilyError: If no family knows the pipeline's class, with the class and those that are known.
    """
    for pipeline_class in type(pipeline).__mro__:
        if pipeline_class in FAMILIES:
            return FAMILIES[pipeline_class](pipeline)
    raise UnknownFamilyError(
        f"a {type(pipeline).__name__} is a pipeline that no model family knows; use one of "
        f"{', '.join(known_pipelines())}, or register a ModelFamily for it"
    )


def computing_device(pipeline: Pipeline, denoiser: torch.nn.Module) -> torch.device:
    """Where a pipeline of diffusers computes, also while its denoiser, or a text encoder, waits on the CPU."""
    own: torch.device = next(denoiser.parameters()).device
    if own.type != "cpu":
        return own
    elsewhere: torch.device = pipeline._execution_device
    return elsewhere


def is_text_encoder(component: str) -> bool:
    """Whether a component of this name is a text encoder; in every family such names begin as in diffusers."""
    return component.startswith("text_encoder")


def called(
    module: torch.nn.Module, parameters: Mapping[str, torch.Tensor] | None, *args: Any, **kwargs: Any
) -> tuple[torch.Tensor, ...]:
    """A module's output, with some of its parameters replaced for this call; the module itself is not changed."""
    if parameters is None:
        return module(*args, **kwargs)
    return functional_call(module, dict(parameters), args, kwargs)
