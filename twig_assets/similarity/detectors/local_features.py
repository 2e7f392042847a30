"""Local features: the same corners and blobs at the same places, after whatever crop, turn or paste.

Source: Lowe, "Distinctive Image Features from Scale-Invariant Keypoints", IJCV 60(2), 2004; Arandjelovic and Zisserman,
"Three things everyone should know to improve object retrieval", CVPR 2012 (RootSIFT).
"""

from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np

CANVAS = 256
"""Long side, in pixels, at which keypoints are looked for; small pictures are enlarged to it."""

KEYPOINTS = 300
CONTRAST = 0.02
VARIANTS = ("as it is", "mirrored", "inverted", "mirrored and inverted")


@dataclass(frozen=True, eq=False)
class Features:
    """Keypoints of one picture.

    Attributes:
        grey: uint8 array (h, w): the picture on the canvas.
        points: float32 (n, 2): x and y on the canvas.
        sizes: float32 (n,): diameter in pixels of the canvas.
        angles: float32 (n,): direction in degrees.
        descriptors: float32 (n, 128) of unit length (RootSIFT).
    """

    grey: np.ndarray
    points: np.ndarray
    sizes: np.ndarray
    angles: np.ndarray
    descriptors: np.ndarray

    def __len__(self) -> int:
        return len(self.points)

    def arrays(self) -> dict[str, np.ndarray]:
        """Name of each attribute -> its array."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def variant(self, name: str) -> "Features":
        """The features of the mirrored or inverted picture, without a second search.

        A reflection turns the descriptor's 4 x 4 cells upside down and its eight directions the other way round. An
        inversion turns every gradient, and with it the keypoint's own direction, by half a circle, so that the cells
        are read from the other end.
        """
        features = self
        if name in ("mirrored", "mirrored and inverted"):
            width = features.grey.shape[1]
            points = np.column_stack([width - 1 - features.points[:, 0], features.points[:, 1]]).astype(np.float32)
            cells = features.descriptors.reshape(-1, 4, 4, 8)[:, ::-1][..., -np.arange(8) % 8]
            features = Features(
                np.ascontiguousarray(features.grey[:, ::-1]),
                points,
                features.sizes,
                (180 - features.angles) % 360,
                cells.reshape(-1, 128),
            )
        if name in ("inverted", "mirrored and inverted"):
            cells = features.descriptors.reshape(-1, 4, 4, 8)[:, ::-1, ::-1]
            features = Features(
                255 - features.grey,
                features.points,
                features.sizes,
                (features.angles + 180) % 360,
                cells.reshape(-1, 128),
            )
        return features


def local_features(picture: np.ndarray) -> Features:
    """Find the keypoints of a picture.

    Args:
        picture: uint8 array of shape (H, W, 3).
    """
    import cv2

    grey = cv2.cvtColor(on_canvas(picture), cv2.COLOR_RGB2GRAY)
    keypoints, descriptors = _sift().detectAndCompute(grey, None)
    if not keypoints:
        return Features(grey, *(np.zeros(shape, np.float32) for shape in ((0, 2), 0, 0, (0, 128))))
    roots = np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6))
    return Features(
        grey,
        np.array([k.pt for k in keypoints], np.float32),
        np.array([k.size for k in keypoints], np.float32),
        np.array([k.angle for k in keypoints], np.float32),
        roots.astype(np.float32),
    )


def on_canvas(picture: np.ndarray) -> np.ndarray:
    """The picture with its long side at CANVAS pixels: uint8 (h, w, 3)."""
    import cv2

    scale = CANVAS / max(picture.shape[:2])
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


@cache
def _sift() -> Any:
    import cv2

    typed: Any = cv2  # OpenCV's type stubs leave SIFT out
    return typed.SIFT_create(nfeatures=KEYPOINTS, contrastThreshold=CONTRAST)
