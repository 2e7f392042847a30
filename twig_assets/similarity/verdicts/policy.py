"""The policy: from which similarity on an image may not be published."""

import hashlib
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twig_assets.settings.yaml_models import YamlModelError, read_model


class PolicyError(ValueError):
    """A policy file that cannot be used; one line per problem."""


class Policy(BaseModel):
    """Thresholds of an audit.

    The right thresholds depend on the corpus: measure what unrelated pictures reach against it before trusting any.

    Attributes:
        ssim_threshold: An image fails from this SSIM on, whole picture, best of eight orientations. A shared
            plain ground raises it between pictures that have nothing else in common, so measure against the corpus.
        masked_ssim_threshold: The same inside the image's foreground mask, where the ground they share says nothing.
        review_margin: A person should look from this far below either threshold.
        min_contrast: Standard deviation of the pixel values (0 to 255) below which an image counts as blank.
        min_side: Shortest side, in pixels, that can be judged; not below 11, the window of SSIM.
        min_mask_pixels: A mask with fewer pixels is too small for a score of its own; 121 is one window of SSIM.
        pdq_distance_at_most: An image fails when its PDQ hash differs from a work's in so many of 256 bits or fewer,
            in one of eight orientations. None turns this detector off; likewise below.
        hog_cosine_at_least: An image fails from this likeness of its gradients on, whatever the colours, in one of
            eight orientations; 1 is the same drawing.
        sift_inliers_at_least: An image fails from so many local features on that agree on how a work lies on it.
        alignment_strength_at_least: An image fails from this on: the SSIM where a work, laid on the image by its local
            features, lies on it, times the square root of how many features agree on that. 1.8 is 4 of them and an
            SSIM of 0.9, or 9 and 0.6. Finds crops, turns and pasted works.
        sscd_file: A TorchScript file of SSCD that you bring, which this project does not ship; without one there is no
            such detector. A path, seen from where the command runs.
        sscd_sha256: The file's SHA-256. TorchScript is a program, so no other file is opened.
        sscd_side: Pictures are squeezed to this many pixels on either side for SSCD.
        sscd_cosine_at_least: An image fails from this cosine of its SSCD vector and a work's on. SSCD's authors give
            0.75 for 90 % precision on their photographs.
        clip: `embedded`, or the folder of a CLIP that `save_pretrained` wrote: a further source of candidates. It never
            fails an image by itself, since CLIP finds the same subject, not the same picture.
        candidates: How many of the nearest works by each source the detectors look at closely.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ssim_threshold: float = Field(0.6, gt=0, le=1)
    masked_ssim_threshold: float = Field(0.6, gt=0, le=1)
    review_margin: float = Field(0.05, ge=0, lt=1)
    min_contrast: float = Field(4.0, ge=0, le=127.5)
    min_side: int = Field(16, ge=11)
    min_mask_pixels: int = Field(121, ge=1)
    pdq_distance_at_most: int | None = Field(31, ge=0, le=256)
    hog_cosine_at_least: float | None = Field(0.85, gt=0, le=1)
    sift_inliers_at_least: int | None = Field(12, ge=3)
    alignment_strength_at_least: float | None = Field(1.8, gt=0)
    sscd_file: str | None = None
    sscd_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    sscd_side: int = Field(288, ge=32)
    sscd_cosine_at_least: float = Field(0.75, gt=0, le=1)
    clip: str | None = None
    candidates: int = Field(12, ge=1)

    @model_validator(mode="after")
    def _sscd_file_and_hash_go_together(self) -> "Policy":
        if (self.sscd_file is None) != (self.sscd_sha256 is None):
            raise ValueError("sscd_file and sscd_sha256 are only of use together; give both or neither")
        return self

    @property
    def sha256(self) -> str:
        """SHA-256 of the fields as JSON with sorted keys: equal for equal policies, whatever their file looks like."""
        body = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(body.encode()).hexdigest()


def read_policy(path: Path) -> Policy:
    """Read a `policy.yaml`; fields that are left out take their defaults.

    Raises:
        PolicyError: With every problem, each as `file:line: field: what is wrong, what to do`.
    """
    try:
        return read_model(path, Policy)
    except YamlModelError as error:
        raise PolicyError(str(error)) from error
