"""Making what the attempts of a batch lack: first images, their masks, second images.

`first_images`, `first_masks` and `second_images` load the libraries of models, so they are imported by their own names
where the work is done, and nothing else in `compliance` imports them. Each works in chunks and writes a chunk's rows in
one short transaction, so that an interrupted run goes on where it stopped.
"""

from twig_assets.compliance.attempts.batch import Batch, Made, Marked, Marker, Models, Report

__all__ = [
    "Batch",
    "Made",
    "Marked",
    "Marker",
    "Models",
    "Report",
]
