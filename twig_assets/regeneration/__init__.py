"""The second step: generating again while avoiding the first image's shape."""

from twig_assets.generation import UnsupportedSchedulerError
from twig_assets.regeneration.compare import compare
from twig_assets.regeneration.overlap import aligned_iou, iou
from twig_assets.regeneration.regenerate import regenerate
from twig_assets.regeneration.strategies.references import NoReferencesError, nearest_works
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
