"""The mask of each first image, from the source that a campaign chose."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from twig_assets.segmentation.predictor import Segmenter
from twig_assets.segmentation.prompted import segment_at
from twig_assets.segmentation.result import Segmentation
from twig_assets.segmentation.segment import segment
from twig_assets.settings.masks import MaskSettings, MaskSource, Place
from twig_assets.settings.segmentation import SegmentationSettings

# Positions of images -> the masks and the brightness that `bright_ending` gives for them.
Endings = Callable[[list[int]], tuple[list[Segmentation], np.ndarray]]


@dataclass(frozen=True, eq=False)
class SourcedMask:
    """A mask and where it comes from.

    Attributes:
        segmentation: The mask.
        source: What made it.
        brightness: How bright the prompt's ending is, 0 to 1; None where it was not measured.
    """

    segmentation: Segmentation
    source: MaskSource
    brightness: float | None = None


def masks_from(
    images: np.ndarray,
    prompts: Sequence[str],
    sam: Callable[[], Segmenter],
    endings: Endings,
    settings: MaskSettings | None = None,
    segmentation: SegmentationSettings | None = None,
) -> list[SourcedMask]:
    """Mask images as the settings say.

    Args:
        images: As `segment` takes them.
        prompts: The prompts they were drawn from.
        sam: Opens the segmenter; called only if it is needed.
        endings: Gives `bright_ending` of some of the images; called only if it is needed.
        settings: Which source; the defaults when None.
        segmentation: Settings of the masks themselves; the defaults when None.

    Returns:
        One mask per image, in order.

    Raises:
        ValueError: If `images` has another shape or type.
    """
    settings, segmentation = settings or MaskSettings(), segmentation or SegmentationSettings()
    if settings.source == "bright_ending":
        return _from_endings(list(range(len(images))), endings)
    masks = _segmented(images, [settings.place_of(prompt) for prompt in prompts], sam(), segmentation)
    if settings.unusable == "keep":
        return masks
    unusable = [i for i, mask in enumerate(masks) if mask.segmentation.outcome != "ok"]
    for i, ending in zip(unusable, _from_endings(unusable, endings), strict=True):
        bright = (ending.brightness or 0.0) >= settings.min_brightness
        if bright and ending.segmentation.outcome == "ok":
            masks[i] = ending
    return masks


def _segmented(
    images: np.ndarray, places: Sequence[Place | None], sam: Segmenter, settings: SegmentationSettings
) -> list[SourcedMask]:
    size = images.shape[1:3]
    shown = [i for i, place in enumerate(places) if place]
    boxes = [place.box_in(*size) for place in places if place]
    points = [place.point_in(*size) for place in places if place]
    whole = [i for i, place in enumerate(places) if not place]
    segmentations = dict(zip(whole, segment(images[whole], sam, settings), strict=True))
    segmentations |= dict(zip(shown, segment_at(images[shown], sam, boxes, points, settings), strict=True))
    return [SourcedMask(segmentations[i], "prompted" if place else "automatic") for i, place in enumerate(places)]


def _from_endings(at: list[int], endings: Endings) -> list[SourcedMask]:
    if not at:
        return []
    segmentations, brightness = endings(at)
    return [
        SourcedMask(segmentation, "bright_ending", float(bright))
        for segmentation, bright in zip(segmentations, brightness, strict=True)
    ]
