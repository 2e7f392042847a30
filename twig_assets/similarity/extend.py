"""An audit of an image against a corpus that has grown, from the earlier audit and one against the new works alone."""

from dataclasses import replace

from twig_assets.similarity.audit import KEPT_MATCHES, AuditResult, Match

_SEVERITY = ("fail", "review", "pass")
_LOW_IS_NEAR = {"pdq_distance"}
_OF_THE_IMAGE = {"contrast", "mask_pixels"}


def extended(earlier: AuditResult, found: AuditResult) -> AuditResult:
    """What an audit against both sets of works says.

    SSIM decides pair by pair, so its part is exactly that of one audit against all of them. The detectors look closely
    at the nearest works of either set, which are no fewer than those of both together.

    Args:
        earlier: Of the image, against some works.
        found: Of the same image and mask under the same policy and library versions, against others.
    """
    if "inconclusive" in (earlier.verdict, found.verdict):
        return found
    first, second = sorted((earlier, found), key=lambda one: (_SEVERITY.index(one.verdict), -(one.scores["ssim"] or 0)))
    reasons = first.reasons
    if first.verdict == second.verdict != "pass":
        reasons = list(dict.fromkeys([*first.reasons, *second.reasons]))
    matches = sorted([*first.matches[1:], *second.matches], key=lambda match: (not match.fired, -match.ssim))
    ranked = [replace(match, rank=rank) for rank, match in enumerate([first.matches[0], *matches][:KEPT_MATCHES], 1)]
    return replace(first, reasons=reasons, scores=_nearer(earlier, found), matches=ranked)


def complete(match: dict[str, object]) -> bool:
    """Whether a stored match has every score that a match has now."""
    return set(match) == set(Match.__dataclass_fields__)


def _nearer(earlier: AuditResult, found: AuditResult) -> dict[str, float | None]:
    scores = dict(found.scores)
    for name, value in earlier.scores.items():
        there = [one for one in (value, scores.get(name)) if one is not None]
        if name not in _OF_THE_IMAGE and there:
            scores[name] = min(there) if name in _LOW_IS_NEAR else max(there)
    return scores
