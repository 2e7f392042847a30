"""The lineage of one image, from the catalog: what it was made from, and what was decided about it."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.among import among
from twig_assets.catalog.hashing import sha256_file
from twig_assets.catalog.models import Adherence, Audit, ConceptEdit, Image, LedgerEntry, Mask, Release, ReleaseEvent
from twig_assets.catalog.releases import PublishedFile, published_files
from twig_assets.compliance.candidates import image_state
from twig_assets.compliance.decision_history import decisions_about
from twig_assets.compliance.decisions import reviews_of
from twig_assets.compliance.state import CandidateState

MIN_PREFIX = 6


class LineageError(LookupError):
    """An image that cannot be found, or that several rows could be; the message says what to give instead."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class ImageLine(_Part):
    """An image: `stage` is `generated` or `regenerated`, `attempt` counts from 0, `run_id` is the Dagster run."""

    id: int
    sha256: str
    stage: str
    attempt: int
    seed: int
    settings: dict[str, Any]
    run_id: str
    created_at: datetime


class PromptLine(_Part):
    """What was asked for; `seed` is the prompt's own."""

    campaign: str
    batch: str
    position: int
    text: str
    seed: int


class EditLine(_Part):
    """A concept that was edited out of the model. Where its row is gone, only the hash of its weights is known."""

    weights_sha256: str
    concept: str | None = None
    target: str | None = None
    anchor: str | None = None
    kind: str | None = None
    method: str | None = None


class ModelLine(_Part):
    """The model that drew the image; `joint_sha256` is the edit that was trained for all `edits` together, if any."""

    sha256: str
    checkpoint: str
    base_sha256: str
    edits: list[EditLine]
    joint_sha256: str | None = None


class MaskLine(_Part):
    """A mask of the image or of its parent; `area` is its share of the picture, 0 to 1."""

    image_id: int
    segmenter: str
    source: str
    outcome: str
    area: float
    sha256: str | None


class MatchLine(_Part):
    """A protected work that the image was near to."""

    rank: int
    title: str
    rights_holder: str
    sha256: str
    transform: str
    scores: dict[str, Any]


class ReviewLine(_Part):
    """A person's decision on an audit."""

    decision: str
    who: str
    why: str
    created_at: datetime
    ledger_entry: int | None


class DecisionLine(_Part):
    """A person's decision about the picture, beside whichever audit it was made.

    Attributes:
        audit_id: The audit that it was made beside; of the same picture drawn again, perhaps.
        verdict: What that audit said.
        standing: What the decision comes to under the rules in force; None where these are not known.
    """

    decision: str
    who: str
    why: str
    created_at: datetime
    audit_id: int
    verdict: str
    standing: str | None
    ledger_entry: int | None


class AuditLine(_Part):
    """A verdict, which is an opinion about similarity and not about infringement.

    `allowed` lists the ids of the allowed elements that were left out of the comparison; None where none was.
    """

    id: int
    verdict: str
    reasons: list[str]
    scores: dict[str, Any]
    thresholds: dict[str, Any]
    versions: dict[str, Any]
    allowed: str | None = None
    policy_sha256: str
    corpus_sha256: str
    run_id: str
    created_at: datetime
    ledger_entry: int | None
    matches: list[MatchLine]
    reviews: list[ReviewLine]


class AdherenceLine(_Part):
    """A judge's verdict on whether the image shows its prompt, which is an opinion too."""

    id: int
    verdict: str
    reason: str
    score: float | None
    threshold: float | None
    subject: str | None
    taken_for: str | None
    judge_sha256: str
    scores: dict[str, Any]
    run_id: str
    created_at: datetime
    ledger_entry: int | None


class ReleaseLine(_Part):
    """A time that the image was published for; of a signed one also its file, who signed it, and its time stamp."""

    audit_id: int
    released_at: datetime
    withdrawn_at: datetime | None
    reason: str | None
    published_sha256: str | None = None
    signer: str | None = None
    test_key: bool = False
    time_stamp: datetime | None = None


class Lineage(_Part):
    """All that the catalog has about an image.

    Attributes:
        image: The image.
        state: Its state under the rules in force; None for one that is neither a candidate nor published, or where the
            rules are not known.
        prompt: The prompt that it was drawn for.
        model: The model that drew it.
        parent: The first image that it was regenerated from; None for a first image.
        children: The images that were regenerated from this one, the oldest first.
        masks: Masks of the image and of its parent.
        audits: The oldest first, under whatever rules.
        adherence: Verdicts on whether it shows its prompt, the oldest first, under whatever judge and threshold.
        releases: The times that it was published for.
        decisions: Of people, about this picture, the oldest first.
    """

    image: ImageLine
    state: CandidateState | None
    prompt: PromptLine
    model: ModelLine
    parent: ImageLine | None
    children: list[ImageLine]
    masks: list[MaskLine]
    audits: list[AuditLine]
    adherence: list[AdherenceLine]
    releases: list[ReleaseLine]
    decisions: list[DecisionLine]

    @property
    def run_ids(self) -> dict[str, list[str]]:
        """Dagster run -> what of this lineage it made, in order of time."""
        images = [(self.parent, "parent image")] if self.parent else []
        images += [(self.image, "image"), *((child, f"image {child.id} from this one") for child in self.children)]
        products: list[tuple[str, str]] = [(image.run_id, product) for image, product in images]
        products += [(audit.run_id, f"audit {audit.id}") for audit in self.audits]
        products += [(verdict.run_id, f"verdict on adherence {verdict.id}") for verdict in self.adherence]
        return {run: [product for other, product in products if other == run] for run, _ in products}


def find_image(session: Session, wanted: str) -> Image:
    """The image that a person means.

    Args:
        session: An open session.
        wanted: The path of an image file, an image's id, or the first six or more digits of its sha256.

    Raises:
        LineageError: When there is no such image, or several.
        OSError: When the file cannot be read.
    """
    if re.fullmatch(r"[0-9]{1,9}", wanted) and (by_id := session.get(Image, int(wanted))):
        return by_id
    if Path(wanted).is_file():
        sha256, name = sha256_file(wanted), wanted
    elif re.fullmatch(rf"[0-9a-f]{{{MIN_PREFIX},64}}", wanted.lower()):
        sha256, name = wanted.lower(), f"sha256 {wanted}"
    elif wanted.isdecimal():
        raise LineageError(f"the catalog has no image with the id {wanted}")
    else:
        raise LineageError(
            f"{wanted!r} is no image's id and no file; give an id, a file, or {MIN_PREFIX} or more digits of the sha256"
        )
    # What is published is another file than what was audited: the same pixels, with a credential.
    published = select(ReleaseEvent.image_id).where(ReleaseEvent.published_sha256.startswith(sha256))
    named = or_(Image.sha256.startswith(sha256), Image.id.in_(published))
    images = session.scalars(select(Image).where(named).order_by(Image.id)).all()
    if not images:
        raise LineageError(f"{name}: the catalog has no such image; a file must be the very one, byte for byte")
    if len(images) > 1:
        listed = ", ".join(
            f"{image.id} ({image.stage}, attempt {image.attempt}, prompt {image.prompt_id})" for image in images[:20]
        )
        raise LineageError(f"{name}: {len(images)} images have it; give one of their ids: {listed}")
    return images[0]


def read_lineage(session: Session, image: Image, rules: Rules | None) -> Lineage:
    """Read all that the catalog has about an image.

    Args:
        session: An open session; nothing is written.
        image: The image.
        rules: The rules in force for its campaign; None where they are not known.
    """
    prompt, parent = image.prompt, image.parent
    children = session.scalars(select(Image).where(Image.parent_id == image.id).order_by(Image.id)).all()
    masked = [image.id] if parent is None else [parent.id, image.id]
    masks = session.scalars(select(Mask).where(Mask.image_id.in_(masked)).order_by(Mask.id))
    audits = session.scalars(select(Audit).where(Audit.image_id == image.id).order_by(Audit.id)).all()
    adherence = session.scalars(select(Adherence).where(Adherence.image_id == image.id).order_by(Adherence.id)).all()
    releases = session.scalars(select(Release).where(Release.image_id == image.id).order_by(Release.id)).all()
    files = published_files(session, [release.id for release in releases])
    return Lineage(
        image=_image(image),
        state=image_state(session, image, rules) if rules else None,
        prompt=PromptLine(
            campaign=prompt.batch.campaign,
            batch=prompt.batch_key,
            position=prompt.position,
            text=prompt.text,
            seed=prompt.seed,
        ),
        model=_model(session, image),
        parent=_image(parent) if parent else None,
        children=[_image(child) for child in children],
        masks=[MaskLine.model_validate(mask, from_attributes=True) for mask in masks],
        audits=_audits(session, audits),
        adherence=_adherence(session, adherence),
        releases=[_release(release, files.get(release.id)) for release in releases],
        decisions=_decisions(session, image, rules),
    )


def _release(release: Release, file: PublishedFile | None) -> ReleaseLine:
    line = ReleaseLine.model_validate(release, from_attributes=True)
    if file is None:
        return line
    said = {"signer": file.credential.get("signer"), "test_key": bool(file.credential.get("test"))}
    stamp = file.credential.get("time_stamp")
    said |= {"published_sha256": file.sha256, "time_stamp": datetime.fromisoformat(stamp) if stamp else None}
    return line.model_copy(update=said)


def _image(image: Image) -> ImageLine:
    return ImageLine.model_validate(image, from_attributes=True)


def _model(session: Session, image: Image) -> ModelLine:
    model = image.model
    rows = session.scalars(select(ConceptEdit).where(among(ConceptEdit.weights_sha256, model.edits)))
    known = {edit.weights_sha256: edit for edit in rows}
    edits = [_edit(sha256, known.get(sha256)) for sha256 in model.edits]
    return ModelLine(
        sha256=model.sha256,
        checkpoint=model.checkpoint,
        base_sha256=model.base_sha256,
        edits=edits,
        joint_sha256=model.joint_sha256,
    )


def _edit(sha256: str, edit: ConceptEdit | None) -> EditLine:
    if edit is None:
        return EditLine(weights_sha256=sha256)
    concept = edit.concept
    return EditLine(
        weights_sha256=sha256,
        concept=concept.name,
        target=concept.target,
        anchor=concept.anchor,
        kind=concept.kind,
        method=edit.method,
    )


def _decisions(session: Session, image: Image, rules: Rules | None) -> list[DecisionLine]:
    standing: dict[int, str] = {}
    if rules is not None:
        standing = {made.review.id: made.standing for made in decisions_about(session, rules, Image.id == image.id)}
    reviews = reviews_of(session, Image.id == image.id).get(image.id, [])
    entries = _entries(session, "review", [review.id for review in reviews])
    return [
        DecisionLine(
            decision=review.decision,
            who=review.who,
            why=review.why,
            created_at=review.created_at,
            audit_id=review.audit_id,
            verdict=f"{review.audit.verdict}: {'; '.join(review.audit.reasons)}",
            standing=standing.get(review.id),
            ledger_entry=entries.get(review.id),
        )
        for review in reviews
    ]


def _audits(session: Session, audits: Iterable[Audit]) -> list[AuditLine]:
    lines = []
    for audit in audits:
        entries = _entries(session, "audit", [audit.id])
        review_entries = _entries(session, "review", [review.id for review in audit.reviews])
        lines.append(
            AuditLine(
                id=audit.id,
                verdict=audit.verdict,
                reasons=audit.reasons,
                scores=audit.scores,
                thresholds=audit.thresholds,
                versions=audit.versions,
                allowed=audit.allowed,
                policy_sha256=audit.policy.sha256,
                corpus_sha256=audit.corpus_version.sha256,
                run_id=audit.run_id,
                created_at=audit.created_at,
                ledger_entry=entries.get(audit.id),
                matches=[
                    MatchLine(
                        rank=match.rank,
                        title=match.reference.title,
                        rights_holder=match.reference.rights_holder,
                        sha256=match.reference.sha256,
                        transform=match.transform,
                        scores=match.scores,
                    )
                    for match in audit.matches
                ],
                reviews=[
                    ReviewLine(
                        decision=review.decision,
                        who=review.who,
                        why=review.why,
                        created_at=review.created_at,
                        ledger_entry=review_entries.get(review.id),
                    )
                    for review in audit.reviews
                ],
            )
        )
    return lines


def _adherence(session: Session, verdicts: Sequence[Adherence]) -> list[AdherenceLine]:
    entries = _entries(session, "adherence", [verdict.id for verdict in verdicts])
    names = set(AdherenceLine.model_fields) - {"ledger_entry"}
    return [
        AdherenceLine(**{name: getattr(verdict, name) for name in names}, ledger_entry=entries.get(verdict.id))
        for verdict in verdicts
    ]


def _entries(session: Session, table: str, ids: list[int]) -> dict[int, int]:
    wanted = select(LedgerEntry.row_id, LedgerEntry.sequence).where(
        LedgerEntry.table_name == table, among(LedgerEntry.row_id, ids)
    )
    return {row_id: sequence for row_id, sequence in session.execute(wanted)}
