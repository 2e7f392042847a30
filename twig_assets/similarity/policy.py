"""The policy: from which similarity on an image may not be published."""

import hashlib
import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from twig_assets.yaml_models import YamlModelError, read_model


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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ssim_threshold: float = Field(0.6, gt=0, le=1)
    masked_ssim_threshold: float = Field(0.6, gt=0, le=1)
    review_margin: float = Field(0.05, ge=0, lt=1)
    min_contrast: float = Field(4.0, ge=0, le=127.5)
    min_side: int = Field(16, ge=11)
    min_mask_pixels: int = Field(121, ge=1)

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
