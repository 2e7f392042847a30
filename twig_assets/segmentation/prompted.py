"""Cut out what a person points at: Segment Anything asked with a box or a point for every image."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from twig_assets.generation.threads import enough_threads
from twig_assets.segmentation.predictor import Segmenter, predictor_of
from twig_assets.segmentation.ranking import Candidate, ranked_mask
from twig_assets.segmentation.result import Segmentation
from twig_assets.segmentation.segment import check_images, from_ranked
from twig_assets.settings.segmentation import SegmentationSettings


def segment_at(
    images: np.ndarray,
    sam: Segmenter,
    boxes: Sequence[tuple[int, int, int, int] | None] | None = None,
    points: Sequence[tuple[int, int] | None] | None = None,
    settings: SegmentationSettings | None = None,
) -> list[Segmentation]:
    """Segment what lies in a box or under a point of each image.

    Args:
        images: As `segment` takes them.
        sam: A model that `load_segmenter` opened.
        boxes: For every image x, y, width and height in pixels, or None.
        points: For every image x and y in pixels, or None. With both, the point says which thing in the box.
        settings: The defaults when None; the grid of points and its thresholds have no effect.

    Returns:
        One result per image, in order; the mask is the best rated of the model's three, whatever its score.

    Raises:
        ValueError: If `images` has another shape or type, or a box or point is missing or lies outside its image.
    """
    settings = settings or SegmentationSettings()
    check_images(images)
    prompts = [
        _prompt(i, images.shape[1:3], None if boxes is None else boxes[i], None if points is None else points[i])
        for i in range(len(images))
    ]
    results = []
    with torch.no_grad(), enough_threads(sam):
        predictor = predictor_of(sam, images.shape[1:3])
        for image, prompt in zip(images, prompts, strict=True):
            predictor.look_at(image)
            masks, ratings = predictor.pointed_at(prompt)
            best = int(ratings.argmax())
            rating = float(ratings[best])
            ranked = [ranked_mask(Candidate(masks[best], rating, 1.0), rating, settings)] if masks[best].any() else []
            # What a person points at is the object, however sure the model is of its outline.
            results.append(from_ranked(image, [replace(mask, foreground=True) for mask in ranked], settings))
    return results


def _prompt(
    i: int, size: tuple[int, ...], box: tuple[int, int, int, int] | None, point: tuple[int, int] | None
) -> dict[str, np.ndarray]:
    height, width = size
    prompt = {}
    if box is not None:
        x, y, across, down = box
        if across < 1 or down < 1 or x < 0 or y < 0 or x + across > width or y + down > height:
            raise ValueError(f"boxes[{i}]: {box} is not inside the image of {width} x {height} pixels")
        prompt["box"] = np.array([x, y, x + across, y + down])
    if point is not None:
        if not (0 <= point[0] < width and 0 <= point[1] < height):
            raise ValueError(f"points[{i}]: {point} is not inside the image of {width} x {height} pixels")
        prompt["point_coords"] = np.array([point])
    if not prompt:
        raise ValueError(f"image {i} has neither box nor point; give one, or use segment")
    return prompt
