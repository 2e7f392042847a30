"""How much memory a campaign's work takes: told from the models' parameters, their number format and the image size.

The constants were fitted to what `twig bench real-size` measured; `docs/models.md` has both side by side.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from twig_assets.ablation.edits.parameters import pooled_entry_weights, text_entry_weights
from twig_assets.campaign import Campaign
from twig_assets.generation.skeleton import Skeleton
from twig_assets.segmentation.segmenter import working_bytes

GIB = 2**30
# Of Python's libraries, once a campaign runs.
LIBRARIES = 1.2 * GIB
# The decoder's last block works on whole pixels, and holds that many tensors of its input's width at once.
_TENSORS_AT_ONCE = 4
_USUAL_WIDTH = 256
# Of a text encoder that is distilled: a copy in float32, its gradients, Adam's two averages, and what gradients are
# made from.
_BYTES_PER_TRAINED_WEIGHT = 20
# Of a denoiser that is fine-tuned: the same without a share for text; and, for every image of a batch and every cell of
# its latents, what gradients are made from, in numbers per weight of the denoiser. Stable Diffusion 1.5 at 512 px takes
# 4.3 GiB for it.
_BYTES_PER_TUNED_WEIGHT = 16
_NUMBERS_PER_WEIGHT_AND_CELL = 3.3e-4


@dataclass(frozen=True)
class MemoryNeed:
    """What a campaign takes, in bytes.

    Attributes:
        weights: The model's weights.
        kept: The weights that its edits change, as they were before.
        drawing: What drawing takes on top.
        segmenting: What the segmenter takes on top, with its weights.
        training: What making an edit takes on top.
    """

    weights: float
    kept: float
    drawing: float
    segmenting: float
    training: float

    @property
    def total(self) -> float:
        """The most at any time, libraries included: one thing is done after the other."""
        return LIBRARIES + self.weights + self.kept + max(self.drawing, self.segmenting, self.training)

    def advice(self) -> str:
        """What makes the most difference."""
        if self.training > max(self.drawing, self.segmenting):
            return "training takes most of it; `ablation: {method: closed_form}` has none"
        if self.drawing > self.segmenting:
            return "set a smaller `generation: {batch_size: ..., height: ..., width: ...}`"
        return "take a smaller segmenter"


def memory_need(campaign: Campaign, bones: Skeleton, size: tuple[int, int], together: int, edited: bool) -> MemoryNeed:
    """What a campaign takes where it computes.

    Args:
        campaign: Its settings.
        bones: Its model.
        size: Height and width of its images.
        together: How many are drawn at once.
        edited: Whether it protects concepts, so that there are edits.
    """
    pixels, segmenter = size[0] * size[1], campaign.segmenter
    return MemoryNeed(
        weights=bones.weights_bytes,
        kept=_edited_weights(campaign, bones) * bones.dtype.itemsize if edited else 0.0,
        drawing=together * pixels * _bytes_per_pixel(bones),
        segmenting=working_bytes(segmenter.kind, segmenter.checkpoint),
        training=_training(campaign, bones, pixels) if edited else 0.0,
    )


def _edited_weights(campaign: Campaign, bones: Skeleton) -> int:
    """How many weights an edit changes."""
    if campaign.ablation.method == "fast":
        return _count(weight for encoder in bones.family.text_encoders().values() for weight in encoder.parameters())
    if campaign.ablation.method != "closed_form" and campaign.ablation.tuning.parameters == "full":
        return _count(bones.family.denoiser.parameters())
    entries = {**text_entry_weights(bones.pipeline), **pooled_entry_weights(bones.pipeline)}
    return _count(entries.values())


def _training(campaign: Campaign, bones: Skeleton, pixels: int) -> float:
    """What making an edit takes."""
    weights, method, tuning = _edited_weights(campaign, bones), campaign.ablation.method, campaign.ablation.tuning
    if method == "closed_form":
        return 0.0
    if method == "fast":
        return float(weights * _BYTES_PER_TRAINED_WEIGHT)
    cells = tuning.batch_size * pixels / bones.family.reduction**2 * (2 if tuning.prior_weight else 1)
    numbers = _NUMBERS_PER_WEIGHT_AND_CELL * cells * _count(bones.family.denoiser.parameters())
    return weights * _BYTES_PER_TUNED_WEIGHT + numbers * bones.dtype.itemsize


def _count(weights: Iterable[torch.Tensor]) -> int:
    return sum(weight.numel() for weight in weights)


def _bytes_per_pixel(bones: Skeleton) -> float:
    """What the image autoencoder takes for a pixel; the denoiser, on fewer cells, takes less."""
    vae: Any = getattr(bones.pipeline, "vae", None)
    widths = getattr(getattr(vae, "config", None), "block_out_channels", None) or (_USUAL_WIDTH,)
    # The one before the last reads what the block before it has made as large as the image.
    width = widths[min(1, len(widths) - 1)]
    upcast = bones.dtype == torch.float16 and getattr(vae.config, "force_upcast", False)
    return float(_TENSORS_AT_ONCE * width * (4 if upcast else bones.dtype.itemsize))
