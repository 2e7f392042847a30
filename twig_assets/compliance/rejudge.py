"""New verdicts from stored scores: for images that were scored against the same works under another policy."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import Audit, AuditMatch
from twig_assets.compliance.audit_rows import policy_row
from twig_assets.similarity import Policy, StoredVerdict, verdict_of_scores
from twig_assets.similarity.verdicts.rule import limit_of
from twig_assets.similarity.versions import library_versions


def rejudge(session: Session, image_ids: Iterable[int], policy: Policy, corpus_id: int, run_id: str) -> list[Audit]:
    """Write an audit under a policy for every image whose stored scores decide the verdict.

    Scores count when they were made against the same corpus version by the library versions that are installed now.

    Args:
        session: An open session.
        image_ids: Images without an audit under this policy and corpus.
        policy: The policy to judge by.
        corpus_id: The corpus version.
        run_id: The author of the new rows: a Dagster run's id, or a sensor's name.

    Returns:
        The new rows; images that have to be scored again have none.
    """
    earlier = session.scalars(
        select(Audit)
        .where(Audit.image_id.in_(list(image_ids)), Audit.corpus_version_id == corpus_id)
        .order_by(Audit.id.desc())
    )
    versions = library_versions()
    policy_id = policy_row(session, policy).id
    written: dict[int, Audit] = {}
    for audit in earlier.all():
        if audit.image_id in written or audit.versions != versions:
            continue
        kept = [match.scores for match in audit.matches]
        judged = verdict_of_scores(audit.scores, audit.thresholds, audit.verdict, policy, kept)  # type: ignore[arg-type]
        if judged:
            written[audit.image_id] = _write(session, audit, judged, policy, policy_id, run_id)
    return list(written.values())


def _write(
    session: Session, earlier: Audit, judged: StoredVerdict, policy: Policy, policy_id: int, run_id: str
) -> Audit:
    nearest = _nearest(earlier, judged, policy)
    view = (nearest.scores.get("reference_view") if nearest else None) or ""
    named = f" to {nearest.reference.title!r}{f' ({view})' if view else ''}" if nearest else ""
    audit = Audit(
        image_id=earlier.image_id,
        policy_id=policy_id,
        corpus_version_id=earlier.corpus_version_id,
        verdict=judged.verdict,
        reasons=[f"{reason}{named} (by the scores of audit {earlier.id})" for reason in judged.reasons],
        nearest_reference_id=nearest.reference_id if nearest else earlier.nearest_reference_id,
        scores=earlier.scores,
        thresholds=policy.model_dump(mode="json"),
        versions=earlier.versions,
        run_id=run_id,
        matches=[
            AuditMatch(reference_id=m.reference_id, rank=m.rank, scores=m.scores, transform=m.transform)
            for m in earlier.matches
        ],
    )
    session.add(audit)
    session.flush()
    return audit


def _nearest(earlier: Audit, judged: StoredVerdict, policy: Policy) -> AuditMatch | None:
    """The kept match that the verdict rests on: the nearest by the decisive score that has it by itself."""
    if judged.decisive is None:
        return None
    limit = limit_of(judged.decisive, policy.model_dump())
    best = earlier.scores[judged.decisive]
    having = [match for match in earlier.matches if limit and limit.verdict(match.scores) == judged.verdict]
    nearest = [match for match in having if match.scores.get(judged.decisive) == best]
    # Beside the work with the highest SSIM an image may pass, because nothing bears it out.
    return next(iter(nearest if judged.verdict == "pass" else [*nearest, *having]), None)
