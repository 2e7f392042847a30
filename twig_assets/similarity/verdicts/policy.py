"""The policy: from which similarity on an image may not be published."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from twig_assets.settings.adherence import AdherenceSettings
from twig_assets.settings.corpus import CorpusSettings
from twig_assets.settings.credentials import CredentialSettings
from twig_assets.settings.decisions import DecisionSettings
from twig_assets.settings.refused_edits import EditSettings
from twig_assets.settings.retention import RetentionSettings
from twig_assets.settings.watermark import WatermarkSettings
from twig_assets.settings.yaml_models import YamlModelError, read_model
from twig_assets.similarity.detectors.alignment_strength import Strength
from twig_assets.similarity.detectors.detector import PolicyField
from twig_assets.similarity.detectors.edges import EdgesCosine
from twig_assets.similarity.detectors.hog import HogCosine
from twig_assets.similarity.detectors.pdq import PdqDistance
from twig_assets.similarity.detectors.registry import detectors
from twig_assets.similarity.detectors.sift import SiftInliers
from twig_assets.similarity.detectors.sscd import SscdCosine

_HASHED_WHEN_NONE = {
    "pdq_distance_at_most",
    "hog_cosine_at_least",
    "sift_inliers_at_least",
    "alignment_strength_at_least",
    "sscd_file",
    "sscd_sha256",
    "clip",
}
"""The fields of the first policies. A field that came later counts only where it is set, so that old hashes stay."""

_UNHASHED = {"sscd_network": "distilled"}
"""Later fields whose default is a value, which likewise does not count."""

_PARTS: dict[str, Any] = {
    "adherence": (AdherenceSettings, AdherenceSettings()),
    "decisions": (DecisionSettings, DecisionSettings()),
    "corpus": (CorpusSettings, CorpusSettings()),
    "edits": (EditSettings, EditSettings()),
    "watermark": (WatermarkSettings, WatermarkSettings()),
    "credentials": (CredentialSettings, CredentialSettings()),
    "retention": (RetentionSettings, RetentionSettings()),
}
"""What stands in a policy's file beside its fields: name -> type and default."""


Part = TypeVar("Part", bound=BaseModel)


class PolicyError(ValueError):
    """A policy file that cannot be used; one line per problem."""


class Policy(BaseModel):
    """Thresholds of an audit.

    The right thresholds depend on the corpus: measure what unrelated pictures reach against it before trusting any.

    Attributes:
        ssim_threshold: An image fails from this SSIM on, whole picture, best of eight orientations, if
            `iw_ssim_threshold` is reached too and a detector agrees, see `rule`: a shared plain ground raises SSIM
            between pictures that have nothing else in common.
        masked_ssim_threshold: The same inside the image's foreground mask.
        iw_ssim_threshold: SSIM counts from this on of `iw_ssim`, which is SSIM weighted by local information, 0 for
            unrelated pictures and 1 for the same; inside the mask likewise. With less, an image is one for a person
            down to `review_margin` below it, and further down it passes. Unrelated drawings on white reach 0.25, copies
            with a word across 0.42. None lets SSIM decide alone.
        review_margin: A person should look from this far below each of these thresholds.
        min_contrast: Standard deviation of the pixel values (0 to 255) below which an image counts as blank.
        min_side: Shortest side, in pixels, that can be judged; not below 11, the window of SSIM.
        min_mask_pixels: A mask with fewer pixels is too small for a score of its own; 121 is one window of SSIM.
        pdq_distance_at_most: An image fails when its PDQ hash differs from a work's in at most this many of 256
            bits, in one of eight orientations. None turns this detector off; likewise below.
        hog_cosine_at_least: An image fails from this likeness of its gradients on, whatever the colours, in one of
            eight orientations; 1 is the same drawing.
        edges_cosine_at_least: An image fails from this likeness of its outlines on, in one of eight orientations,
            whatever filter was laid over them. Unrelated photographs stay below 0.47, unrelated drawings below 0.57.
            Plain works, such as rings with strokes in them, are alike up to 0.88, and count for less, up to 0.62.
        sift_inliers_at_least: An image fails when at least this many local features agree on how a work lies on it.
        alignment_strength_at_least: An image fails from this on: the SSIM, weighted by local information, where a work,
            laid on the image by its local features, lies on it, times the square root of how many features agree on
            that. 1.8 is 4 of them and a weighted SSIM of 0.9, or 9 and 0.6. Finds crops, turns and pasted works.
        sscd_network: Which network of the extra `sscd` describes pictures where that is installed: `distilled`, small
            and quick, `int8`, SSCD itself, or `none`. Each audit's versions say whether it was, and the network's hash.
        sscd_file: A TorchScript or ONNX file of SSCD that you bring, in place of the extra's. A path, seen from where
            the command runs.
        sscd_sha256: The file's SHA-256. TorchScript is a program, so no other file is opened.
        sscd_side: Pictures are squeezed to this many pixels on either side for SSCD.
        sscd_cosine_at_least: An image fails from this cosine of its SSCD vector and a work's on, which counts for less
            where the work is plain. By the distilled network unrelated photographs stay below 0.5, unrelated drawings
            below 0.64. SSCD's authors give 0.75 for 90 % precision on their photographs.
        clip: `embedded`, or the folder of a CLIP that `save_pretrained` wrote: a further source of candidates. It never
            fails an image by itself, since CLIP finds the same subject, not the same picture.
        candidates: How many of the nearest works by each source the detectors look at closely.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ssim_threshold: float = Field(0.6, gt=0, le=1)
    masked_ssim_threshold: float = Field(0.6, gt=0, le=1)
    iw_ssim_threshold: float | None = Field(0.35, gt=0, le=1)
    review_margin: float = Field(0.05, ge=0, lt=1)
    min_contrast: float = Field(4.0, ge=0, le=127.5)
    min_side: int = Field(16, ge=11)
    min_mask_pixels: int = Field(121, ge=1)
    pdq_distance_at_most: PdqDistance | None = 31
    hog_cosine_at_least: HogCosine | None = 0.85
    edges_cosine_at_least: EdgesCosine | None = 0.7
    sift_inliers_at_least: SiftInliers | None = 12
    alignment_strength_at_least: Strength | None = 1.8
    sscd_network: Literal["distilled", "int8", "none"] = "distilled"
    sscd_file: str | None = None
    sscd_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    sscd_side: int = Field(288, ge=32)
    sscd_cosine_at_least: SscdCosine = 0.7
    clip: str | None = None
    candidates: int = Field(12, ge=1)

    @model_validator(mode="after")
    def _sscd_file_and_hash_go_together(self) -> "Policy":
        if (self.sscd_file is None) != (self.sscd_sha256 is None):
            raise ValueError("sscd_file and sscd_sha256 are only of use together; give both or neither")
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # A class that was made for further detectors cannot be found by its name.
        return _restored, (self.model_dump(mode="json"),)

    @property
    def sha256(self) -> str:
        """SHA-256 of the fields as JSON with sorted keys: equal for equal policies, whatever their file looks like."""
        return policy_sha256(self.model_dump(mode="json"))


def policy_sha256(fields: Mapping[str, Any]) -> str:
    """The hash that names a policy of these fields, as JSON holds them."""
    unset = {name for name, value in fields.items() if _UNHASHED.get(name) == value} - _HASHED_WHEN_NONE
    hashed = {name: value for name, value in fields.items() if name not in unset}
    body = json.dumps(hashed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(body.encode()).hexdigest()


def policy_model() -> type[Policy]:
    """The class of policies with a field for every detector, also for those that came with their own.

    Such a field is checked like any other and is None, which turns the detector off, until a policy names it.
    """
    return _extended(tuple(d.field for d in detectors() if d.field.name not in Policy.model_fields))


def _restored(fields: dict[str, Any]) -> Policy:
    """The policy that was pickled as its fields; further detectors have to be registered here too."""
    return policy_model().model_validate(fields)


@cache
def _extended(fields: tuple[PolicyField, ...]) -> type[Policy]:
    if not fields:
        return Policy
    further: dict[str, Any] = {field.name: (field.type | None, None) for field in fields}
    return create_model("Policy", __base__=Policy, **further)


def read_policy(path: Path) -> Policy:
    """Read a `policy.yaml`; fields that are left out take their defaults. Its further parts are no part of this.

    Raises:
        PolicyError: With every problem, each as `file:line: field: what is wrong, what to do`.
    """
    return policy_model().model_validate(_read_file(path).model_dump(exclude=set(_PARTS)))


def read_part(path: Path, part: type[Part]) -> Part:
    """Read a part that stands in a `policy.yaml` beside the policy; its defaults where the file has none.

    Args:
        path: The file.
        part: One of the classes in `_PARTS`.

    Raises:
        PolicyError: With every problem of the file.
    """
    name = next(name for name, (kind, _) in _PARTS.items() if kind is part)
    settings: Part = getattr(_read_file(path), name)
    return settings


def _read_file(path: Path) -> Policy:
    try:
        return read_model(path, _whole(policy_model()))
    except YamlModelError as error:
        raise PolicyError(str(error)) from error


@cache
def _whole(policy: type[Policy]) -> type[Policy]:
    """A policy with what stands beside it in its file and is no part of its hash."""
    return create_model("PolicyFile", __base__=policy, **_PARTS)
