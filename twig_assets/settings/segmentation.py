"""How images are segmented and what counts as their object."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class SegmentationSettings(BaseModel):
    """Settings of `segment`. The defaults suit the embedded segmenter and one to three objects in a frame.

    Lengths and areas are shares of the image, so that the same settings serve any size.

    Attributes:
        points_per_side: Side of the grid of points the segmenter is asked at. 6 finds objects down to a fifth of the
            frame's side, 8 a few more of an eighth. 16 to 32 for busy images and the large checkpoints. Every point
            costs the same, apart from the image's own encoding.
        points_per_batch: Points asked at once. Lower it when large images do not fit in memory.
        pred_iou_thresh: Masks that the model itself rates below this are dropped. 0.88 is usual for the large
            checkpoints, which are surer of themselves; too high a value makes images come out empty.
        stability_score_thresh: Masks whose area changes more than this when the cut-off moves are dropped: IoU, 0 to 1,
            between a strict and a generous cut. 0.95 is usual for the large checkpoints.
        box_nms_thresh: Of two masks whose boxes overlap more than this only the better rated is kept. Near 1, since an
            object that fills the frame has nearly the same box as its ground.
        duplicate_iou: The same, for masks themselves.
        min_area: Smallest share of the image an object, or a separate part of one, may have.
        max_area: From this share on the objects count as the whole image, and the outcome is `full`.
        background_border: A mask that covers at least this share of the image's outermost pixels is background. Lower
            it when grounds come in several parts, raise it when objects are cut by the frame.
        plain_detail: When the background covers everything, the image is `empty` if its fine detail (standard deviation
            of what a blur takes away, in grey levels of 0 to 255) is below this, and `full` otherwise.
        min_score: Masks with a foreground score below this are not part of the object.
        fill_holes: Whether gaps enclosed by an object belong to its shape.
        feather: Width of the soft edge of `Segmentation.soft_mask`, as a share of the image's shorter side.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    points_per_side: int = Field(6, ge=1, le=64)
    points_per_batch: int = Field(64, ge=1)
    pred_iou_thresh: float = Field(0.55, ge=0, le=1)
    stability_score_thresh: float = Field(0.4, ge=0, le=1)
    box_nms_thresh: float = Field(0.9, gt=0, le=1)
    duplicate_iou: float = Field(0.7, gt=0, le=1)
    min_area: float = Field(0.01, gt=0, lt=1)
    max_area: float = Field(0.92, gt=0, le=1)
    background_border: float = Field(0.3, gt=0, le=1)
    plain_detail: float = Field(6.0, ge=0)
    min_score: float = Field(0.3, ge=0, le=1)
    fill_holes: bool = True
    feather: float = Field(0.03, ge=0, le=0.5)

    @model_validator(mode="after")
    def _ordered(self) -> "SegmentationSettings":
        if self.min_area >= self.max_area:
            raise ValueError(f"min_area ({self.min_area}) must be below max_area ({self.max_area})")
        return self
