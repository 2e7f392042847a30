"""Masks of the objects in images, with Segment Anything or from the generator's own attention."""

from twig_assets.segmentation.bright_ending import bright_ending
from twig_assets.segmentation.prompted import segment_at
from twig_assets.segmentation.remembering import RememberingSegmenter
from twig_assets.segmentation.result import Outcome, RankedMask, Segmentation
from twig_assets.segmentation.segment import segment
from twig_assets.segmentation.segmenter import SegmenterKind, load_segmenter, segmenter_device
from twig_assets.segmentation.sources import SourcedMask, masks_from
from twig_assets.settings.masks import MaskSettings
from twig_assets.settings.segmentation import SegmentationSettings

__all__ = [
    "MaskSettings",
    "Outcome",
    "RankedMask",
    "RememberingSegmenter",
    "Segmentation",
    "SegmentationSettings",
    "SegmenterKind",
    "SourcedMask",
    "bright_ending",
    "load_segmenter",
    "masks_from",
    "segment",
    "segment_at",
    "segmenter_device",
]
