"""The second step: generating anew while avoiding the first image's shape."""

from twig_assets.generation.steering import UnsupportedSchedulerError
from twig_assets.regeneration.compare import compare
from twig_assets.regeneration.nearest import nearest_works
from twig_assets.regeneration.overlap import aligned_iou, iou
from twig_assets.regeneration.regenerate import NoReferencesError, regenerate
from twig_assets.settings.regeneration import RegenerationSettings, Strategy

__all__ = [
    "NoReferencesError",
    "RegenerationSettings",
    "Strategy",
    "UnsupportedSchedulerError",
    "aligned_iou",
    "compare",
    "iou",
    "nearest_works",
    "regenerate",
]
