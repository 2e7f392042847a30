"""Audits that a grown corpus has left incomplete: only the new works are missing from them."""

from collections.abc import Iterable, Mapping
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import Audit, CorpusVersion
from twig_assets.similarity import AuditResult, ReferenceImage, Verdict
from twig_assets.similarity.audit import library_versions
from twig_assets.similarity.result import match_of_row


def carried_over(
    session: Session,
    image_ids: Iterable[int],
    policy_id: int,
    corpus: CorpusVersion,
    works: Mapping[str, ReferenceImage],
) -> dict[int, tuple[AuditResult, frozenset[str]]]:
    """Image id -> its newest audit under the same policy and library versions, and the works that it lacks.

    Args:
        session: An open session.
        image_ids: Images without an audit under this policy and corpus.
        policy_id: The policy.
        corpus: The corpus version.
        works: Its works, by hash.

    Returns:
        Only images that were audited against a part of the corpus and nothing else: when works were withdrawn, scores
        may rest on them.
    """
    versions = library_versions()
    earlier = session.scalars(
        select(Audit).where(Audit.image_id.in_(list(image_ids)), Audit.policy_id == policy_id).order_by(Audit.id.desc())
    )
    found: dict[int, tuple[AuditResult, frozenset[str]]] = {}
    for audit in earlier:
        members, present = set(audit.corpus_version.members), set(corpus.members)
        if audit.image_id in found or audit.versions != versions or not members < present:
            continue
        result = _result(audit, works)
        if result:
            found[audit.image_id] = (result, frozenset(present - members))
    return found


def _result(audit: Audit, works: Mapping[str, ReferenceImage]) -> AuditResult | None:
    rows = [
        {**m.scores, "reference_sha256": m.reference.sha256, "rank": m.rank, "transform": m.transform}
        for m in audit.matches
    ]
    matches = [match for row in rows if (match := match_of_row(row, audit.thresholds))]
    if len(matches) < len(rows) or audit.nearest_reference is None:
        return None
    nearest = works[audit.nearest_reference.sha256]
    verdict = cast("Verdict", audit.verdict)
    return AuditResult("", verdict, audit.reasons, nearest, audit.scores, audit.thresholds, matches, audit.versions)
