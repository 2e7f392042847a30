"""Masks of the objects in images, with Segment Anything."""

from twig_assets.segmentation.ending import bright_ending
from twig_assets.segmentation.prompted import segment_at
from twig_assets.segmentation.result import Outcome, RankedMask, Segmentation
from twig_assets.segmentation.segment import segment
from twig_assets.segmentation.segmenter import SegmenterKind, load_segmenter
from twig_assets.settings.segmentation import SegmentationSettings

__all__ = [
    "Outcome",
    "RankedMask",
    "Segmentation",
    "SegmentationSettings",
    "SegmenterKind",
    "bright_ending",
    "load_segmenter",
    "segment",
    "segment_at",
]
