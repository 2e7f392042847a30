"""Which images have to be audited without what is allowed of works: those that did not pass beside such a work."""

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, selectinload

from twig_assets.campaign.allowed_elements import as_key
from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.among import among
from twig_assets.catalog.models import AllowedElement, Audit, AuditMatch, Image, Model, PolicyRow, Prompt, PromptBatch
from twig_assets.compliance.candidates import counting
from twig_assets.similarity.allowed import concerned


def lacking(
    session: Session, which: Sequence[ColumnElement[bool]], rules: Rules, elements: Sequence[AllowedElement]
) -> dict[int, tuple[int, ...]]:
    """Image id -> the elements that it has to be audited without, for those that have not been so yet.

    Args:
        session: An open session.
        which: Conditions on `Image` and `Prompt`.
        rules: The rules in force.
        elements: The elements that hold.
    """
    if not elements:
        return {}
    known = [(element.id, element.work_sha256) for element in elements]
    audits = (
        select(Audit)
        .join(PolicyRow)
        .join(Image, Image.id == Audit.image_id)
        .join(Prompt, Prompt.id == Image.prompt_id)
        .where(PolicyRow.sha256 == rules.policy_sha256, Audit.corpus_version_id == rules.corpus_id, *which)
        .where(Audit.verdict.in_(("fail", "review")) | Audit.allowed.is_not(None))
        .options(selectinload(Audit.matches).selectinload(AuditMatch.reference))
        .order_by(Audit.id)
    )
    beside_all: dict[int, Audit] = {}
    without: dict[int, set[str]] = {}
    for audit in session.scalars(audits):
        if audit.allowed is None:
            # Of other library versions, so that it has to be audited without the elements again, too.
            beside_all[audit.image_id], without[audit.image_id] = audit, set()
        else:
            without.setdefault(audit.image_id, set()).add(audit.allowed)
    wanted = {image_id: concerned_by(audit, known) for image_id, audit in beside_all.items()}
    return {image_id: ids for image_id, ids in wanted.items() if ids and as_key(ids) not in without[image_id]}


def concerned_by(audit: Audit, elements: Iterable[tuple[int, str]]) -> tuple[int, ...]:
    """The elements that may change an audit's verdict; see `concerned`."""
    matches = [(match.reference.sha256, match.scores) for match in audit.matches]
    return concerned(audit.verdict, audit.thresholds, matches, elements)


def lacking_by_batch(
    session: Session, campaign: str, rules: Rules, elements: Sequence[AllowedElement]
) -> dict[str, list[int]]:
    """Batch -> images that count and have to be audited without what is allowed of the works beside them."""
    if not elements:
        return {}
    counted = (
        select(Image.id)
        .join(Model)
        .join(Prompt, Prompt.id == Image.prompt_id)
        .join(PromptBatch)
        .where(PromptBatch.campaign == campaign, counting(rules))
    )
    ids = list(lacking(session, [Image.id.in_(counted)], rules, elements))
    batches: dict[str, list[int]] = {}
    rows = session.execute(
        select(Prompt.batch_key, Image.id).join(Prompt).where(among(Image.id, ids)).order_by(Image.id)
    )
    for batch, image_id in rows:
        batches.setdefault(batch, []).append(image_id)
    return batches
