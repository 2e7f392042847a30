"""Which detectors a policy lets fire on the evidence."""

from dataclasses import dataclass
from typing import Literal

from twig_assets.similarity.detectors.embedders import SSCD
from twig_assets.similarity.detectors.evidence import Evidence
from twig_assets.similarity.verdicts.policy import Policy

Detector = Literal["hog", "pdq", "sift", "alignment", "sscd"]


@dataclass(frozen=True)
class Fired:
    """A detector whose threshold was reached.

    Attributes:
        detector: Its name.
        said: Its score beside the threshold, for a person.
    """

    detector: Detector
    said: str


def fired(evidence: Evidence, policy: Policy) -> list[Fired]:
    """The detectors that take the image for a copy of the reference, the one that says most about it first."""
    found: list[Fired] = []
    limit = policy.alignment_strength_at_least
    if limit is not None and evidence.alignment_strength >= limit:
        there = f"SSIM {evidence.aligned_ssim:.3f} where the work lies on the image"
        strength = f"with {evidence.sift_inliers} local features a strength of {evidence.alignment_strength:.2f}"
        found.append(Fired("alignment", f"{there}, {strength}, reaches {limit:g}"))
    least = policy.sift_inliers_at_least
    if least is not None and evidence.sift_inliers >= least:
        found.append(Fired("sift", f"{evidence.sift_inliers} local features in the same places reach {least}"))
    most = policy.pdq_distance_at_most
    if most is not None and evidence.pdq_distance <= most:
        found.append(Fired("pdq", f"PDQ distance {evidence.pdq_distance} is not above {most}"))
    cosine = evidence.embedding_cosines.get(SSCD)
    if cosine is not None and cosine >= policy.sscd_cosine_at_least:
        found.append(Fired("sscd", f"SSCD cosine {cosine:.3f} reaches {policy.sscd_cosine_at_least:g}"))
    limit = policy.hog_cosine_at_least
    if limit is not None and evidence.hog_cosine >= limit:
        found.append(Fired("hog", f"gradients alike by {evidence.hog_cosine:.3f} reach {limit:g}"))
    return found
