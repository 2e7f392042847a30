"""Audits as rows of the catalog: written from the result of an audit, and read back as one."""

from collections.abc import Mapping
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import Audit, AuditMatch, PolicyRow
from twig_assets.similarity import AuditResult, Policy, ReferenceImage, Verdict
from twig_assets.similarity.result import match_of_row

# Of a match, what has a column of its own; everything else is kept as its scores.
_COLUMNS = ("reference_sha256", "rank", "transform")


def policy_row(session: Session, policy: Policy) -> PolicyRow:
    """The row of a policy; it is added if the policy is new."""
    row = session.scalars(select(PolicyRow).where(PolicyRow.sha256 == policy.sha256)).first()
    if row is None:
        row = PolicyRow(sha256=policy.sha256, body=policy.model_dump(mode="json"))
        session.add(row)
        session.flush()
    return row


def write_audit(
    session: Session,
    image_id: int,
    policy_id: int,
    corpus_id: int,
    result: AuditResult,
    reference_ids: Mapping[str, int],
    run_id: str,
    allowed: str | None = None,
) -> None:
    """Add the rows of one audit.

    Args:
        session: An open session.
        image_id: The audited image.
        policy_id: The policy that it was judged by.
        corpus_id: The corpus version that it was compared with.
        result: What the audit gave.
        reference_ids: Hash of a work's file -> id of its row, for every work of the corpus.
        run_id: The Dagster run that audited.
        allowed: The allowed elements that were left out of the comparison, see `as_key`; None if none was.
    """
    matches = [
        AuditMatch(
            reference_id=reference_ids[match.reference_sha256],
            rank=match.rank,
            scores={name: value for name, value in match.as_row().items() if name not in _COLUMNS},
            transform=match.transform,
        )
        for match in result.matches
    ]
    session.add(
        Audit(
            image_id=image_id,
            policy_id=policy_id,
            corpus_version_id=corpus_id,
            verdict=result.verdict,
            reasons=result.reasons,
            nearest_reference_id=reference_ids[result.nearest.sha256] if result.nearest else None,
            scores=result.scores,
            thresholds=result.thresholds,
            versions=result.versions,
            run_id=run_id,
            allowed=allowed,
            matches=matches,
        )
    )
    session.flush()


def stored_result(audit: Audit, works: Mapping[str, ReferenceImage]) -> AuditResult | None:
    """The result that an audit's rows were written from, without its label.

    Args:
        audit: The audit.
        works: Hash of a work's file -> the work, for every work that the audit names.

    Returns:
        None if the image could not be judged, or if a match lacks a score that the policy limits.
    """
    rows = [
        {**match.scores, "reference_sha256": match.reference.sha256, "rank": match.rank, "transform": match.transform}
        for match in audit.matches
    ]
    matches = [match for row in rows if (match := match_of_row(row, audit.thresholds))]
    if len(matches) < len(rows) or audit.nearest_reference is None:
        return None
    return AuditResult(
        label="",
        verdict=cast("Verdict", audit.verdict),
        reasons=audit.reasons,
        nearest=works[audit.nearest_reference.sha256],
        scores=audit.scores,
        thresholds=audit.thresholds,
        matches=matches,
        versions=audit.versions,
    )
