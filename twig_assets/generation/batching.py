"""Working in batches that fit: where memory runs out, a batch is halved and work goes on, with a line that says so."""

import gc
import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch

from twig_assets.generation.family import ModelFamily, Pipeline
from twig_assets.generation.sampling import image_size
from twig_assets.settings.generation import GenerationSettings

Result = TypeVar("Result")
_LOG = logging.getLogger(__name__)


# Of the images that a CPU draws at once: 4 of 512 px, one of 1024 px. Where memory runs out on a CPU, there is no error
# after which fewer could be tried: the system ends the process.
_PIXELS_AT_ONCE = 2**20


class TooLittleMemoryError(RuntimeError):
    """Not even one image fits; the message says what to change."""


def in_batches(
    pipeline: Pipeline, count: int, size: int, work: Callable[[slice], Result]
) -> Iterator[tuple[slice, Result]]:
    """Work on n things, as many at once as fit.

    Where one alone does not fit, the autoencoder works tile by tile from then on, which changes its pictures by little.

    Args:
        pipeline: What works; its autoencoder is the last thing that can take less.
        count: How many things there are.
        size: How many to take at once, at least 1.
        work: Does some of them. It may be called again for things that it failed with.

    Yields:
        Which things were done, in order, and what came of them.

    Raises:
        TooLittleMemoryError: If one alone does not fit.
    """
    start, tiled = 0, False
    while start < count:
        part = slice(start, min(start + size, count))
        try:
            result = work(part)
        except torch.OutOfMemoryError as error:
            tried = part.stop - part.start
            if tried == 1 and (tiled or not _tile(pipeline)):
                raise TooLittleMemoryError(
                    "there is too little memory to draw a single image; set a smaller generation.height and width, "
                    "`dtype: bfloat16`, or free memory that other programs hold"
                ) from error
            tiled, size = tiled or tried == 1, max(1, tried // 2)
            how = "tile by tile" if tried == 1 else f"with a batch of {size}"
            _LOG.warning("memory ran out with a batch of %d; going on %s", tried, how)
        else:
            yield part, result
            start = part.stop
            continue
        # Outside of the handler, whose traceback holds what was allocated.
        _free()


def at_once(family: ModelFamily, settings: GenerationSettings) -> int:
    """How many images to draw at once: the settings' `batch_size`, and on a CPU at most a million pixels."""
    if family.device.type != "cpu":
        return settings.batch_size
    height, width = image_size(family, settings)
    return min(settings.batch_size, max(1, _PIXELS_AT_ONCE // (height * width)))


def _tile(pipeline: Pipeline) -> bool:
    """Let the autoencoder take images one by one and in tiles; returns whether it can."""
    vae: Any = getattr(pipeline, "vae", None)
    able = hasattr(vae, "enable_tiling") and hasattr(vae, "enable_slicing")
    if able:
        try:
            vae.enable_slicing()
            vae.enable_tiling()
        except (NotImplementedError, AttributeError):
            return False
    return able


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
