"""All masks of an image: Segment Anything asked at a grid of points.

The masks are those of the package's `SamAutomaticMaskGenerator` without crops. It keeps each as a run-length code in a
list of Python numbers, which it copies again and again: a fifth of all its time at 64 px.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from segment_anything.utils.amg import batched_mask_to_box, build_point_grid, calculate_stability_score
from torchvision.ops import nms

from twig_assets.segmentation.predictor import Segmenter, predictor_of
from twig_assets.segmentation.ranking import Candidate
from twig_assets.settings.segmentation import SegmentationSettings

_STABILITY_OFFSET = 1.0


@dataclass(frozen=True, eq=False)
class _Asked:
    """The masks of a batch of points that pass both thresholds, in the order of their points.

    Attributes:
        packed: uint8 (m, ceil(H W / 8)), eight pixels a byte: the masks of a fine grid on a large image must all be
            held until the duplicates among them are known.
        boxes: int (m, 4), left, upper, right and lower pixel.
        iou: float (m,), predicted.
        stability: float (m,).
    """

    packed: np.ndarray
    boxes: torch.Tensor
    iou: torch.Tensor
    stability: torch.Tensor


class AutomaticMasks:
    """Asks at the same grid of points in every image of a size, one image after the other.

    An image's masks do not depend on the images asked before: encoding several at once is no faster on a CPU, and
    changes the last bits of what it gives.

    Args:
        segmenter: A model that `load_segmenter` opened.
        size: Height and width of the images.
        settings: The grid, its batches and the thresholds.
    """

    def __init__(self, segmenter: Segmenter, size: tuple[int, int], settings: SegmentationSettings) -> None:
        self._size, self._settings = size, settings
        self._predictor = predictor_of(segmenter, size)
        with torch.no_grad():
            self._prompts = self._predictor.embedded_points(
                build_point_grid(settings.points_per_side) * np.array(size[::-1])
            )

    @torch.no_grad()
    def of(self, image: np.ndarray) -> list[Candidate]:
        """The masks of an image, uint8 (H, W, 3), the best rated of those with nearly the same box, best first."""
        self._predictor.look_at(image)
        asked = list(self._asked())
        boxes, iou, stability = (
            torch.cat([getattr(each, name) for each in asked]) for name in ("boxes", "iou", "stability")
        )
        kept = nms(boxes.float(), iou, self._settings.box_nms_thresh).cpu()
        packed = np.concatenate([each.packed for each in asked])[kept.numpy()]
        masks = np.unpackbits(packed, axis=1, count=self._size[0] * self._size[1]).view(bool)
        ratings = zip(masks.reshape(-1, *self._size), iou[kept].tolist(), stability[kept].tolist(), strict=True)
        return [Candidate(mask, *rating) for mask, *rating in ratings]

    def _asked(self) -> Iterator[_Asked]:
        settings, predictor = self._settings, self._predictor
        for prompts in self._prompts.split(settings.points_per_batch):
            logits, iou = predictor.answers(prompts)
            sure = _reached(iou, settings.pred_iou_thresh, torch.gt)
            logits, iou = predictor.at_size(logits[sure]), iou[sure]
            stability = calculate_stability_score(logits, predictor.cut, _STABILITY_OFFSET)
            stable = _reached(stability, settings.stability_score_thresh, torch.ge)
            masks = logits[stable] > predictor.cut
            packed = np.packbits(masks.flatten(1).cpu().numpy(), axis=1)
            yield _Asked(packed, batched_mask_to_box(masks), iou[stable], stability[stable])


def _reached(ratings: torch.Tensor, threshold: float, compare: Callable[..., torch.Tensor]) -> torch.Tensor:
    """Which ratings (m,) pass: at threshold 0 all, even those below it and, of an empty mask, undefined ones."""
    return compare(ratings, threshold) if threshold > 0 else torch.ones_like(ratings, dtype=torch.bool)
