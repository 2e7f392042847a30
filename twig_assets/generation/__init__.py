"""Opening a text-to-image model and sampling from it."""

from twig_assets.generation import families as families  # so that the families register themselves
from twig_assets.generation.checkpoints import load_checkpoint
from twig_assets.generation.conditioning import Conditioning
from twig_assets.generation.errors import CheckpointError
from twig_assets.generation.family import (
    Capability,
    MissingCapabilityError,
    ModelFamily,
    Pipeline,
    UnknownFamilyError,
    family_of,
    register,
)
from twig_assets.generation.generate import PromptTooLongError, check_lengths, generate
from twig_assets.generation.identity import fingerprint
from twig_assets.generation.schedulers import UnsupportedSchedulerError
from twig_assets.settings.generation import GenerationSettings
from twig_assets.settings.opening import OpeningSettings

__all__ = [
    "Capability",
    "CheckpointError",
    "Conditioning",
    "GenerationSettings",
    "MissingCapabilityError",
    "ModelFamily",
    "OpeningSettings",
    "Pipeline",
    "PromptTooLongError",
    "UnknownFamilyError",
    "UnsupportedSchedulerError",
    "check_lengths",
    "family_of",
    "fingerprint",
    "generate",
    "load_checkpoint",
    "register",
]
