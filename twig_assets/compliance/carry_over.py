"""Audits that a grown corpus has left incomplete: only the new works are missing from them."""

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.among import among
from twig_assets.catalog.models import Audit, CorpusVersion
from twig_assets.compliance.audit_rows import stored_result
from twig_assets.similarity import AuditResult, ReferenceImage
from twig_assets.similarity.versions import library_versions


def carried_over(
    session: Session,
    image_ids: Iterable[int],
    policy_id: int,
    corpus: CorpusVersion,
    works: Mapping[str, ReferenceImage],
) -> dict[int, tuple[AuditResult, frozenset[str]]]:
    """The newest audit of each image under the same policy and library versions, with the works that it lacks.

    Args:
        session: An open session.
        image_ids: Images without an audit under this policy and corpus.
        policy_id: The policy.
        corpus: The corpus version.
        works: Hash of a work's file -> the work, for every work of the corpus.

    Returns:
        Image id -> the audit's result and the hashes of the works that it lacks. Only images that were audited against
        a part of the corpus and nothing else are in it: when works were withdrawn, scores may rest on them.
    """
    versions, members = library_versions(), set(corpus.members)
    audits = session.scalars(
        select(Audit)
        .where(among(Audit.image_id, image_ids), Audit.policy_id == policy_id, Audit.allowed.is_(None))
        .order_by(Audit.id.desc())
    )
    carried: dict[int, tuple[AuditResult, frozenset[str]]] = {}
    for audit in audits:
        compared = set(audit.corpus_version.members)
        if audit.image_id in carried or audit.versions != versions or not compared < members:
            continue
        if result := stored_result(audit, works):
            carried[audit.image_id] = (result, frozenset(members - compared))
    return carried
