"""New verdicts from stored scores: for images that were scored against the same works under another policy."""

from collections.abc import Collection, Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.among import among
from twig_assets.catalog.models import Audit, AuditMatch
from twig_assets.compliance.audit_rows import policy_row
from twig_assets.similarity import Policy, StoredVerdict, verdict_of_scores
from twig_assets.similarity.allowed import ALLOWED
from twig_assets.similarity.verdicts.rule import limit_of
from twig_assets.similarity.versions import library_versions


def rejudge(
    session: Session,
    image_ids: Iterable[int],
    policy: Policy,
    corpus_id: int,
    run_id: str,
    allowed: Collection[str] = (),
) -> list[Audit]:
    """Write an audit under a policy for every image whose stored scores decide the verdict.

    Scores count when they were made against the same corpus version by the library versions that are installed now.
    An image that does not pass gets the verdict without what is allowed as well, if it had one.

    Args:
        session: An open session.
        image_ids: Images without an audit under this policy and corpus.
        policy: The policy to judge by.
        corpus_id: The corpus version.
        run_id: The author of the new rows: a Dagster run's id, or a sensor's name.
        allowed: The sets of elements, as audits name them, that are allowed today.

    Returns:
        The new rows that count; images that have to be scored again have none.
    """
    wanted = select(Audit).where(among(Audit.image_id, image_ids), Audit.corpus_version_id == corpus_id)
    earlier = session.scalars(wanted.order_by(Audit.id.desc())).all()
    policy_id = policy_row(session, policy).id
    beside_all = [audit for audit in earlier if audit.allowed is None]
    written = _rejudged(session, beside_all, policy, policy_id, run_id)
    open_ids = {image_id for image_id, audit in written.items() if audit.verdict in ("fail", "review")}
    without = [audit for audit in earlier if audit.allowed in allowed and audit.image_id in open_ids]
    return list((written | _rejudged(session, without, policy, policy_id, run_id)).values())


def _rejudged(
    session: Session, earlier: Iterable[Audit], policy: Policy, policy_id: int, run_id: str
) -> dict[int, Audit]:
    """Image id -> the new audit by the scores of the first of its earlier ones that tells."""
    versions = library_versions()
    written: dict[int, Audit] = {}
    for audit in earlier:
        if audit.image_id in written or audit.versions != versions:
            continue
        kept = [match.scores for match in audit.matches]
        judged = verdict_of_scores(audit.scores, audit.thresholds, audit.verdict, policy, kept)  # type: ignore[arg-type]
        if judged:
            written[audit.image_id] = _write(session, audit, judged, policy, policy_id, run_id)
    return written


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
        reasons=[
            *_allowed(earlier),
            *(f"{reason}{named} (by the scores of audit {earlier.id})" for reason in judged.reasons),
        ],
        nearest_reference_id=nearest.reference_id if nearest else earlier.nearest_reference_id,
        scores=earlier.scores,
        thresholds=policy.model_dump(mode="json"),
        versions=earlier.versions,
        run_id=run_id,
        allowed=earlier.allowed,
        matches=[
            AuditMatch(reference_id=m.reference_id, rank=m.rank, scores=m.scores, transform=m.transform)
            for m in earlier.matches
        ],
    )
    session.add(audit)
    session.flush()
    return audit


def _allowed(earlier: Audit) -> list[str]:
    """The sentences that say what an audit left out."""
    return [reason for reason in earlier.reasons if reason.startswith(ALLOWED)] if earlier.allowed else []


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
