"""The verdict of scores that an earlier audit kept, under another policy than its own.

A threshold can change without an image being scored again, and so can one that is added for a score that is kept
already. Any other field decides how the scores come about, and when one differs, only a new audit can tell. A detector
that the earlier audit did not know has no score there: the audit stays of use to policies that do not turn it on.

SSIM has to be borne out by the score of the same work. The image's best scores, which may be those of two works, give
the most severe verdict that is possible, and the kept matches one that is certain; when these differ, only a new audit
can tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twig_assets.similarity.detectors.detector import Scores
from twig_assets.similarity.verdicts.policy import Policy
from twig_assets.similarity.verdicts.rule import BEARS_OUT, BORNE_OUT_BY, Limit, Verdict, limits, most_severe, severity


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
    scores: Scores, judged_under: Mapping[str, Any], judged: Verdict, policy: Policy, matches: Sequence[Scores]
) -> StoredVerdict | None:
    """Judge an image by the scores of an audit against the same works, made with the same library versions.

    Args:
        scores: Score key -> score, as that audit kept them.
        judged_under: That audit's thresholds: the fields of its policy.
        judged: That audit's verdict.
        policy: The policy to judge by.
        matches: The scores of each match that the audit kept.

    Returns:
        The verdict that a new audit would give; None if the scores do not tell.
    """
    body = policy.model_dump(mode="json")
    by_field = {limit.field: limit for limit in limits(body)}
    if any(_needs_scoring(name, value, by_field.get(name), scores, judged_under) for name, value in body.items()):
        return None
    if judged == "inconclusive":
        return StoredVerdict("inconclusive", ["the image could not be judged, and still cannot be"], None)
    findings = [
        _finding(limit, scores, matches)
        for limit in by_field.values()
        if limit.value is not None and scores.get(limit.score) is not None
    ]
    known = [finding for finding in findings if finding is not None]
    if not known or len(known) < len(findings):
        return None
    worst = most_severe(finding.verdict for finding in known)
    behind = [finding for finding in known if finding.verdict == worst]
    return StoredVerdict(worst, [reason for finding in behind for reason in finding.reasons], behind[0].decisive)


def _needs_scoring(
    field: str, value: Any, limit: Limit | None, scores: Scores, judged_under: Mapping[str, Any]
) -> bool:
    """Whether only a new audit can tell what a policy's field makes of an image."""
    if field == BEARS_OUT:
        return value is not None and not set(BORNE_OUT_BY.values()) <= set(scores)
    if limit is None:
        return field != "review_margin" and judged_under.get(field) != value
    if value is None:
        return False
    if limit.score in scores:
        # Turned on now, and the score was not computed while it was off.
        return judged_under.get(field) is None and scores[limit.score] is None
    return bool(judged_under.get(field) != value)


def _finding(limit: Limit, scores: Scores, matches: Sequence[Scores]) -> StoredVerdict | None:
    """What a threshold says; None when the scores do not tell."""
    # The best scores may be those of several works, so whether a detector agrees is seen beside single works only.
    structural = limit._replace(witnesses=())
    possible, beside = structural.verdict(scores), scores
    if limit.support is not None and possible != "pass":
        if possible != most_severe([*map(structural.verdict, matches), "pass"]):
            return None
        beside = min(matches, key=lambda match: severity(limit.verdict(match)))
        possible = limit.verdict(beside)
    score_text = f"{limit.score.replace('_', ' ')} {beside[limit.score]:.3f}"
    if limit.reached(beside[limit.score]):
        reason = f"{score_text} reaches the limit {limit.value:g}"
    elif possible == "review":
        reason = f"{score_text} is within {limit.margin:g} of the limit {limit.value:g}"
    else:
        reason = f"{score_text} stays clear of the limit {limit.value:g}"
    if limit.support is not None and limit.near(beside[limit.score]):
        borne_out = "and" if limit.supported(beside) else "but"
        reason += f", {borne_out} weighted by information it is {beside[limit.support.score]:.3f}"
        if limit.supported(beside, limit.margin) and not (limit.agreed(beside) or limit.certain(beside)):
            reason += ", but no detector comes near to its threshold"
    return StoredVerdict(possible, [reason], limit.score)
