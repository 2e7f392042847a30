"""Opening a text-to-image model and sampling from it."""

from twig_assets.generation.checkpoints import CheckpointError, Pipeline, fingerprint, load_checkpoint
from twig_assets.generation.generate import PromptTooLongError, check_lengths, generate
from twig_assets.settings.generation import GenerationSettings

__all__ = [
    "CheckpointError",
    "GenerationSettings",
    "Pipeline",
    "PromptTooLongError",
    "check_lengths",
    "fingerprint",
    "generate",
    "load_checkpoint",
]
