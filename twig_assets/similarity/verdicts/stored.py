"""The verdict of scores that an earlier audit kept, under another policy than its own.

A policy's limit is named after the score that it limits: `ssim_threshold` and `ssim_at_least` are reached from below,
`pdq_distance_at_most` from above; `review_margin` lies below every threshold. So a limit can change without an image
being scored again, and so can a limit that is added for a score that is kept already. Any other field decides over how
the scores come about, and when one differs, only a new audit can tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twig_assets.similarity.audit import Verdict
from twig_assets.similarity.verdicts.limits import Limit, limits
from twig_assets.similarity.verdicts.policy import Policy

_SEVERITY: tuple[Verdict, ...] = ("fail", "review", "pass")


@dataclass(frozen=True)
class StoredVerdict:
    """What stored scores mean under a policy.

    Attributes:
        verdict: As in `AuditResult`.
        reasons: Sentences for a person.
        decisive: The score behind the verdict; None if the image could not be judged.
    """

    verdict: Verdict
    reasons: list[str]
    decisive: str | None


def verdict_of_scores(
    scores: Mapping[str, float | None], judged_under: Mapping[str, Any], judged: Verdict, policy: Policy
) -> StoredVerdict | None:
    """Judge an image by the scores of an audit against the same works, made with the same library versions.

    Args:
        scores: Of that audit.
        judged_under: That audit's thresholds: the fields of its policy.
        judged: That audit's verdict.
        policy: The policy to judge by.

    Returns:
        The verdict that a new audit would give; None if the scores do not tell.
    """
    body = policy.model_dump(mode="json")
    kept = {limit.field: limit for limit in limits(body) if limit.score in scores}
    for field, value in body.items():
        if field in kept:
            unscored = scores[kept[field].score] is None
            appeared = value is not None and judged_under.get(field) is None and unscored
        else:
            appeared = field != "review_margin" and judged_under.get(field, _NEVER) != value
        if appeared:
            return None
    if judged == "inconclusive":
        return StoredVerdict("inconclusive", ["the image could not be judged, and still cannot be"], None)
    findings = [
        _finding(limit, float(limit.value), float(score), policy.review_margin)
        for limit in kept.values()
        if limit.value is not None and (score := scores[limit.score]) is not None
    ]
    if not findings:
        return None
    worst = min((found.verdict for found in findings), key=_SEVERITY.index)
    behind = [found for found in findings if found.verdict == worst]
    return StoredVerdict(worst, [reason for found in behind for reason in found.reasons], behind[0].decisive)


_NEVER = object()


def _finding(limit: Limit, threshold: float, score: float, margin: float) -> StoredVerdict:
    said = f"{limit.score.replace('_', ' ')} {score:.3f}"
    if limit.reached(score):
        return StoredVerdict("fail", [f"{said} reaches the limit {threshold:g}"], limit.score)
    if limit.field.endswith("_threshold") and score >= threshold - margin:
        return StoredVerdict("review", [f"{said} is within {margin:g} of the limit {threshold:g}"], limit.score)
    return StoredVerdict("pass", [f"{said} stays clear of the limit {threshold:g}"], limit.score)
