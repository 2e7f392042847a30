"""How good a segmenter is on scenes of concepts that its training never showed."""

import numpy as np
from segment_anything import SamAutomaticMaskGenerator, SamPredictor
from segment_anything.modeling import Sam

from twig_assets.model_zoo.sam_prompts import box_around, centre_point
from twig_assets.model_zoo.scenes import held_out_concepts, scene
from twig_assets.settings.segmentation import SegmentationSettings

HIT_IOU = 0.75


def measure_sam(sam: Sam, count: int, seed: int) -> dict[str, float]:
    """Score a segmenter on fresh scenes of held-out concepts.

    Args:
        sam: Any Segment Anything model, in evaluation mode.
        count: Scenes for each figure, at least 1.
        seed: Seeds the scenes; other seeds than the training's own make no difference, since concepts are held out.

    Returns:
        `sam_iou_box` and `sam_iou_point`: mean IoU, 0 to 1, over all objects of composed scenes when asked with the
        tight box and with the one innermost point (the mask the model itself ranks first of three).
        `sam_auto_hit_rate`: share of one-object images in which the automatic generator has a mask with IoU >= 0.75.

    Raises:
        ValueError: If `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"count: {count} scenes cannot be measured, ask for at least 1")
    names = sorted(held_out_concepts())
    rng = np.random.default_rng((seed, 5))
    predictor = SamPredictor(sam)
    boxes, points = [], []
    for _ in range(count):
        drawn = scene(rng, names)
        predictor.set_image(drawn.image)
        for mask in drawn.masks:
            boxes.append(iou(predictor.predict(box=box_around(mask), multimask_output=False)[0][0], mask))
            masks, ranks, _ = predictor.predict(centre_point(mask)[None], np.ones(1))
            points.append(iou(masks[int(ranks.argmax())], mask))
    generator = automatic_generator(sam)
    hits = []
    for _ in range(count):
        drawn = scene(rng, names, count=1)
        records = generator.generate(drawn.image)
        hits.append(any(iou(record["segmentation"], drawn.masks[0]) >= HIT_IOU for record in records))
    return {
        "sam_iou_box": float(np.mean(boxes)),
        "sam_iou_point": float(np.mean(points)),
        "sam_auto_hit_rate": float(np.mean(hits)),
    }


def automatic_generator(sam: Sam) -> SamAutomaticMaskGenerator:
    """The automatic generator with the settings that the pipeline uses by default."""
    settings = SegmentationSettings()
    return SamAutomaticMaskGenerator(
        sam,
        points_per_side=settings.points_per_side,
        pred_iou_thresh=settings.pred_iou_thresh,
        stability_score_thresh=settings.stability_score_thresh,
    )


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two bool masks of the same shape; 0 when both are empty."""
    union = int((a | b).sum())
    return float((a & b).sum() / union) if union else 0.0
