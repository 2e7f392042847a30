"""Making what the attempts of a batch lack: first images, their masks, second images.

These modules open models; nothing else in `compliance` imports them. Each works in chunks and writes a chunk's rows in
one short transaction, so that an interrupted run goes on where it stopped.
"""

from twig_assets.compliance.attempts.batch import Batch, Made, Marked, Marker, Models, Report
from twig_assets.compliance.attempts.first_images import FirstImage, draw_first_images
from twig_assets.compliance.attempts.first_masks import FirstMask, mask_first_images
from twig_assets.compliance.attempts.second_images import SecondImage, draw_second_images

__all__ = [
    "Batch",
    "FirstImage",
    "FirstMask",
    "Made",
    "Marked",
    "Marker",
    "Models",
    "Report",
    "SecondImage",
    "draw_first_images",
    "draw_second_images",
    "mask_first_images",
]
