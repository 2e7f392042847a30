"""The second step: generating anew while avoiding the first image's shape."""

from twig_assets.regeneration.overlap import aligned_iou, iou
from twig_assets.regeneration.regenerate import regenerate
from twig_assets.regeneration.settings import RegenerationSettings
from twig_assets.regeneration.steering import UnsupportedSchedulerError

__all__ = ["RegenerationSettings", "UnsupportedSchedulerError", "aligned_iou", "iou", "regenerate"]
