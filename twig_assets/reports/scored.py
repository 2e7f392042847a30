"""What a report says of one image: its audit, whether it shows its prompt, why it was drawn again."""

from typing import Any

from twig_assets.catalog.models import Adherence, Audit, AuditMatch, Image
from twig_assets.compliance.decisions import Decided
from twig_assets.reports.data import AdherenceLine, DetectorLine, Picture, ReferenceLine, RerunLine, Scored
from twig_assets.reports.rows import BatchRows
from twig_assets.similarity import detector_scores


def scored(image: Image, rows: BatchRows, works: dict[int, ReferenceLine]) -> Scored:
    """An image with all verdicts in force.

    Args:
        image: The image.
        rows: Its batch's rows.
        works: Id of each protected work -> how the report names it.
    """
    audit, adherence = rows.verdicts.audits.get(image.id), rows.verdicts.adherence.get(image.id)
    state = rows.states[image.prompt_id]
    return Scored(
        picture=Picture(sha256=image.sha256),
        stage=image.stage,
        attempt=image.attempt,
        seed=image.seed,
        adherence=_adherence_line(adherence) if adherence else None,
        rerun=_rerun_line(image, rows),
        candidate=state.candidate is not None and state.candidate.id == image.id,
        **_decided(rows.verdicts.decided(image.id)),
        **(_judged(audit, rows.nearest.get(audit.id), works) if audit else {}),
    )


def _judged(audit: Audit, match: AuditMatch | None, works: dict[int, ReferenceLine]) -> dict[str, Any]:
    near = audit.nearest_reference_id
    return dict(
        verdict=audit.verdict,
        reasons=audit.reasons,
        ssim=audit.scores.get("ssim"),
        iw_ssim=audit.scores.get("iw_ssim"),
        masked_ssim=audit.scores.get("masked_ssim"),
        ssim_threshold=audit.thresholds.get("ssim_threshold"),
        masked_ssim_threshold=audit.thresholds.get("masked_ssim_threshold"),
        detectors=_detector_lines(audit),
        transform=match.transform if match else None,
        nearest=works.get(near) if near else None,
        nearest_view=str(match.scores.get("reference_view", "")) if match else "",
        audited_at=audit.created_at,
    )


def _decided(decided: Decided) -> dict[str, Any]:
    said = "; ".join(f"{review.who}: {review.why}" for review in decided.by)
    return dict(waiver=said if decided.decision == "waive" else None, rejected=decided.decision == "reject")


def _detector_lines(audit: Audit) -> list[DetectorLine]:
    return [
        DetectorLine(
            name=detector.name,
            title=detector.title,
            score=score,
            direction=detector.direction,
            threshold=threshold,
            reached=reached,
        )
        for detector, score, threshold, reached in detector_scores(audit.scores, audit.thresholds)
    ]


def _adherence_line(adherence: Adherence) -> AdherenceLine:
    return AdherenceLine.model_validate(adherence, from_attributes=True)


def _rerun_line(image: Image, rows: BatchRows) -> RerunLine | None:
    applied = image.settings.get("applied", {})
    if not applied.get("reason"):
        return None
    mine = rows.images.get(image.prompt_id, ())
    first = next((i for i in mine if i.stage == image.stage and i.attempt == 0), None)
    before, now = first.settings.get("applied", {}).get("regeneration", {}) if first else {}, applied["regeneration"]
    return RerunLine(
        reason=applied["reason"],
        evidence_of_copy=applied["evidence"],
        changed=[
            f"{k}: {_short(before[k])} -> {_short(now[k])}" for k in sorted(before) if k in now and before[k] != now[k]
        ],
    )


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
