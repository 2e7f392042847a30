"""What an audit says about an image, how that is stored, and what it becomes when further works are compared."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from twig_assets.similarity.corpus.references import ReferenceImage
from twig_assets.similarity.detectors.registry import detectors
from twig_assets.similarity.verdicts.rule import BEARS_OUT, Thresholds, Verdict, limits, severity

KEPT_MATCHES = 5
_OF_THE_IMAGE = {"contrast", "mask_pixels"}
_DETAILS = ("transform", "masked_transform", "resized_from", "copied", "fired")
_VIEW = "reference_view"


@dataclass(frozen=True)
class Match:
    """How one image compares with one reference.

    Attributes:
        reference_sha256: Hash of the reference's file.
        rank: 1 for the nearest.
        scores: `ssim`, the best over the orientations, whole picture; `iw_ssim`, the same weighted by local
            information; `masked_ssim` and `masked_iw_ssim`, likewise inside the image's mask, None without a usable
            one; and those of the detectors, see `Evidence`.
        transform: The orientation of the reference that gave `ssim`.
        masked_transform: The orientation that gave `masked_ssim`.
        resized_from: Height and width of the reference if it had to be resized to the image's size, else None.
        copied: See `Evidence`.
        fired: Names of the detectors that triggered: that take the image for a copy of this reference.
        reference_view: Which view of the reference this is, the most alike of all; empty for a plain picture.
    """

    reference_sha256: str
    rank: int
    scores: Mapping[str, float | None]
    transform: str
    masked_transform: str | None
    resized_from: tuple[int, int] | None
    copied: tuple[str, ...]
    fired: tuple[str, ...]
    reference_view: str = ""

    @property
    def ssim(self) -> float:
        """The best SSIM over the orientations, whole picture."""
        return self.scores["ssim"] or 0.0

    def as_row(self) -> dict[str, Any]:
        """All of it on one level, as it is stored and shown: each score under its own name."""
        fields = asdict(self)
        scores = fields.pop("scores")
        first = {name: fields.pop(name) for name in ("reference_sha256", "rank")}
        return {**first, **scores, **fields}


def match_of_row(row: Mapping[str, Any], thresholds: Thresholds) -> Match | None:
    """The match that a row holds.

    Args:
        row: A stored match, in the form that `Match.as_row` gives.
        thresholds: The fields of the policy that the audit was made under.

    Returns:
        None if the row lacks a score that one of the thresholds limits, or another part of a match. A score of a
        detector that was not in use then may be missing.
    """
    used = [limit for limit in limits(thresholds) if limit.value is not None]
    needed = {limit.score for limit in used} | {limit.support.score for limit in used if limit.support}
    if not {*needed, *_DETAILS, "ssim", "masked_ssim", "aligned_iw_ssim"} <= set(row):
        return None
    scores = {name: value for name, value in row.items() if name not in (*_DETAILS, _VIEW, "reference_sha256", "rank")}
    unknown = {detector.score: None for detector in detectors() if detector.score not in scores}
    size = row["resized_from"]
    return Match(
        reference_sha256=row["reference_sha256"],
        rank=row["rank"],
        scores={**scores, **unknown},
        transform=row["transform"],
        masked_transform=row["masked_transform"],
        resized_from=(size[0], size[1]) if size else None,
        copied=tuple(row["copied"]),
        fired=tuple(row["fired"]),
        reference_view=row.get(_VIEW, ""),
    )


@dataclass(frozen=True)
class AuditResult:
    """The verdict on one image and what it rests on.

    Attributes:
        label: The caller's name for the image.
        verdict: `fail` from a threshold of SSIM on that is borne out or when a detector triggers, `review` near the
            thresholds of SSIM, else `pass`; `inconclusive` for an image that cannot be judged. See `rule`.
        reasons: Sentences for a person.
        nearest: The reference behind the verdict; None if inconclusive.
        scores: The score nearest to a copy, against any reference, of `ssim`, `iw_ssim`, `masked_ssim`,
            `masked_iw_ssim` and every detector, None if not computed; those of the detectors are of the candidates that
            they looked at closely. Also `contrast` (standard deviation, 0 to 255) and `mask_pixels`.
        thresholds: The policy's fields.
        matches: The nearest references: first those behind a verdict that is not `pass`, then by SSIM.
        versions: Library name -> version.
    """

    label: str
    verdict: Verdict
    reasons: list[str]
    nearest: ReferenceImage | None
    scores: dict[str, float | None]
    thresholds: dict[str, Any]
    matches: list[Match]
    versions: dict[str, str]

    def as_row(self) -> dict[str, Any]:
        """All fields by name, with `nearest` the hash of that reference and the matches as rows."""
        nearest = self.nearest.sha256 if self.nearest else None
        fields = asdict(replace(self, nearest=None, matches=[]))
        return {**fields, "nearest": nearest, "matches": [match.as_row() for match in self.matches]}


def extended(earlier: AuditResult, further: AuditResult) -> AuditResult:
    """What an audit against both sets of works says.

    SSIM decides pair by pair, so its part is exactly that of one audit against all of them. The detectors look closely
    at the nearest works of either set, which are no fewer than those of both together.

    Args:
        earlier: The audit of the image against some works.
        further: The audit of the same image and mask under the same policy and library versions, against other works.
    """
    if "inconclusive" in (earlier.verdict, further.verdict):
        return further
    first, second = sorted((earlier, further), key=lambda result: (severity(result.verdict), -_evidence(result)))
    reasons = first.reasons
    if first.verdict == second.verdict != "pass":
        reasons = list(dict.fromkeys([*first.reasons, *second.reasons]))
    matches = sorted([*first.matches[1:], *second.matches], key=lambda match: (not match.fired, -match.ssim))
    ranked = [replace(match, rank=rank) for rank, match in enumerate([first.matches[0], *matches][:KEPT_MATCHES], 1)]
    return replace(first, reasons=reasons, scores=_nearest_scores(earlier, further), matches=ranked)


def _evidence(result: AuditResult) -> float:
    """How much speaks for the first match: what it has in common with the image, or SSIM where that alone decides."""
    nearest = result.matches[0].scores
    borne_out = result.verdict != "pass" and result.thresholds.get(BEARS_OUT) is not None
    return (nearest.get("iw_ssim") if borne_out else None) or nearest["ssim"] or 0.0


def _nearest_scores(earlier: AuditResult, further: AuditResult) -> dict[str, float | None]:
    """Of each score the one nearest to a copy."""
    low_is_near = {detector.score for detector in detectors() if detector.direction == "<="}
    scores = dict(further.scores)
    for name, value in earlier.scores.items():
        known = [score for score in (value, scores.get(name)) if score is not None]
        if name not in _OF_THE_IMAGE and known:
            scores[name] = min(known) if name in low_is_near else max(known)
    return scores
