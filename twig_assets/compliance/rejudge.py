"""New verdicts from old scores: what another policy makes of images that were scored against the same works."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import Audit, AuditMatch, PolicyRow
from twig_assets.similarity import Policy, StoredVerdict, verdict_of_scores
from twig_assets.similarity.audit import library_versions


def rejudge(session: Session, image_ids: Iterable[int], policy: Policy, corpus_id: int, run_id: str) -> list[Audit]:
    """Write an audit under a policy for every image whose stored scores tell the verdict.

    Scores count when they were made against the same corpus version by the library versions that are installed now.

    Args:
        session: An open session.
        image_ids: Images without an audit under this policy and corpus.
        policy: The policy to judge by.
        corpus_id: The corpus version.
        run_id: Who judges: a Dagster run's id, or a sensor's name.

    Returns:
        The new rows; images that must be scored anew have none.
    """
    earlier = session.scalars(
        select(Audit)
        .where(Audit.image_id.in_(list(image_ids)), Audit.corpus_version_id == corpus_id)
        .order_by(Audit.id.desc())
    )
    versions = library_versions()
    policy_id = policy_row(session, policy).id
    made: dict[int, Audit] = {}
    for audit in earlier.all():
        if audit.image_id in made or audit.versions != versions:
            continue
        found = verdict_of_scores(audit.scores, audit.thresholds, audit.verdict, policy)  # type: ignore[arg-type]
        if found:
            made[audit.image_id] = _write(session, audit, found, policy, policy_id, run_id)
    return list(made.values())


def policy_row(session: Session, policy: Policy) -> PolicyRow:
    """The row of a policy, made if it is new."""
    row = session.scalars(select(PolicyRow).where(PolicyRow.sha256 == policy.sha256)).first()
    if row is None:
        row = PolicyRow(sha256=policy.sha256, body=policy.model_dump(mode="json"))
        session.add(row)
        session.flush()
    return row


def _write(
    session: Session, earlier: Audit, found: StoredVerdict, policy: Policy, policy_id: int, run_id: str
) -> Audit:
    nearest = _nearest(earlier, found)
    of = f" to {nearest.reference.title!r}" if nearest else ""
    reasons = [f"{reason}{of} (by the scores of audit {earlier.id})" for reason in found.reasons]
    row = Audit(
        image_id=earlier.image_id,
        policy_id=policy_id,
        corpus_version_id=earlier.corpus_version_id,
        verdict=found.verdict,
        reasons=reasons,
        nearest_reference_id=nearest.reference_id if nearest else earlier.nearest_reference_id,
        scores=earlier.scores,
        thresholds=policy.model_dump(mode="json"),
        versions=earlier.versions,
        run_id=run_id,
    )
    session.add(row)
    session.flush()
    for match in earlier.matches:
        session.add(
            AuditMatch(
                audit_id=row.id,
                reference_id=match.reference_id,
                rank=match.rank,
                scores=match.scores,
                transform=match.transform,
            )
        )
    return row


def _nearest(earlier: Audit, found: StoredVerdict) -> AuditMatch | None:
    """The kept match whose decisive score is the image's own."""
    if found.decisive is None:
        return None
    best = earlier.scores[found.decisive]
    return next((match for match in earlier.matches if match.scores.get(found.decisive) == best), None)
