"""The tables of the catalog: what was asked for, what was made of it, what it was compared with and who decided."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC; always aware in Python, also on SQLite, which itself knows no time zones.

    Raises:
        ValueError: When a naive datetime is stored; its time zone would be a guess.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware datetime into UTC on its way into the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; use datetime.now(UTC)")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give a stored time its time zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def utc_now() -> datetime:
    """The time now, aware, in UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Parent of all tables; names every constraint, so that migrations can refer to it on any database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        datetime: UtcDateTime,
        str: Text,
        list[str]: JSON,
        list[Any]: JSON,
        dict[str, Any]: JSON,
    }


class PromptBatch(Base):
    """One partition of the pipeline: up to 64 prompts of one campaign."""

    __tablename__ = "prompt_batch"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    campaign: Mapped[str] = mapped_column(String(255), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    prompts: Mapped[list["Prompt"]] = relationship(back_populates="batch", order_by="Prompt.position")


class Prompt(Base):
    """One line of text to draw, with its first seed and the sha256 of text and seed."""

    __tablename__ = "prompt"
    __table_args__ = (UniqueConstraint("batch_key", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    batch_key: Mapped[str] = mapped_column(ForeignKey("prompt_batch.key"))
    position: Mapped[int]
    text: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))

    batch: Mapped[PromptBatch] = relationship(back_populates="prompts")


class Concept(Base):
    """Something the model must forget (`target`) and what it draws in its place (`anchor`)."""

    __tablename__ = "concept"
    __table_args__ = (
        UniqueConstraint("campaign", "name"),
        CheckConstraint("kind IN ('object', 'style', 'memorized')", name="kind"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(255))
    target: Mapped[str]
    anchor: Mapped[str]
    kind: Mapped[str] = mapped_column(String(16))
    aliases: Mapped[list[str]] = mapped_column(default=list)
    preserve: Mapped[list[str]] = mapped_column(default=list)
    active: Mapped[bool] = mapped_column(default=True)


class ConceptEdit(Base):
    """Weights that remove one concept from one base checkpoint, and how well they do."""

    __tablename__ = "concept_edit"

    id: Mapped[int] = mapped_column(primary_key=True)
    concept_id: Mapped[int] = mapped_column(ForeignKey("concept.id"), index=True)
    base_sha256: Mapped[str] = mapped_column(String(64))
    method: Mapped[str] = mapped_column(String(64))
    settings: Mapped[dict[str, Any]]
    settings_sha256: Mapped[str] = mapped_column(String(64))
    weights_sha256: Mapped[str] = mapped_column(String(64))
    evaluation: Mapped[dict[str, Any]]
    accepted: Mapped[bool]
    seconds: Mapped[float]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    concept: Mapped[Concept] = relationship()


class Model(Base):
    """A base checkpoint with the edits applied to it; `sha256` is the fingerprint of all that.

    `joint_sha256` names the one edit that was trained for all of `edits` together and is applied in their place; None
    where they compose exactly, so that whoever opens the model composes them.
    """

    __tablename__ = "model"

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    checkpoint: Mapped[str]
    base_sha256: Mapped[str] = mapped_column(String(64))
    edits: Mapped[list[str]] = mapped_column(default=list)
    joint_sha256: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    @property
    def applied(self) -> list[str]:
        """The SHA-256 of every edit's file that is applied to the checkpoint."""
        return [self.joint_sha256] if self.joint_sha256 else self.edits

    @property
    def content(self) -> dict[str, Any]:
        """What `sha256` is the hash of."""
        joint = {"joint": self.joint_sha256} if self.joint_sha256 else {}
        return {"base": self.base_sha256, "edits": self.edits} | joint


class Reference(Base):
    """A protected work that images are compared with.

    `sha256` is that of its file. `pixels_sha256` names the PNG of the pixels that images are compared with, in the
    artifact store; None where it was made by a version that did not note it down. `notes` says what was done to the
    file while decoding.
    """

    __tablename__ = "reference"
    __table_args__ = (
        UniqueConstraint("campaign", "sha256"),
        CheckConstraint("status IN ('active', 'withdrawn')", name="status"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    title: Mapped[str]
    rights_holder: Mapped[str]
    licence: Mapped[str]
    file: Mapped[str]
    status: Mapped[str] = mapped_column(String(16), default="active")
    added_at: Mapped[datetime] = mapped_column(default=utc_now)
    pixels_sha256: Mapped[str | None] = mapped_column(String(64))
    notes: Mapped[list[str]] = mapped_column(default=list, server_default="[]")


class CorpusVersion(Base):
    """A set of references, named by the hash of its members' hashes."""

    __tablename__ = "corpus_version"
    __table_args__ = (UniqueConstraint("campaign", "sha256"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    members: Mapped[list[str]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Image(Base):
    """A picture that a model made for a prompt; `sha256` names its PNG in the artifact store.

    `settings` holds, besides what its hash covers, why a second image was drawn again and with what (`applied`).
    """

    __tablename__ = "image"
    __table_args__ = (
        UniqueConstraint("prompt_id", "stage", "attempt", "model_id", "settings_sha256"),
        CheckConstraint("stage IN ('generated', 'regenerated')", name="stage"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompt.id"))
    stage: Mapped[str] = mapped_column(String(16))
    attempt: Mapped[int]
    seed: Mapped[int] = mapped_column(BigInteger)
    model_id: Mapped[int] = mapped_column(ForeignKey("model.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("image.id"), index=True)
    settings: Mapped[dict[str, Any]]
    settings_sha256: Mapped[str] = mapped_column(String(64))
    run_id: Mapped[str] = mapped_column(String(255), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    prompt: Mapped[Prompt] = relationship()
    model: Mapped[Model] = relationship()
    parent: Mapped["Image | None"] = relationship(remote_side=[id])


class Watermark(Base):
    """The invisible mark in an image's pixels, in hex; copies are traced back to the image by it; append-only.

    `method` names the construction and `key_id` the key, without giving it away. `psnr` says, in dB, how little the
    picture was changed.
    """

    __tablename__ = "watermark"

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), unique=True)
    payload: Mapped[str] = mapped_column(String(12), index=True)
    method: Mapped[str] = mapped_column(String(64))
    key_id: Mapped[str] = mapped_column(String(8))
    psnr: Mapped[float]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    image: Mapped[Image] = relationship()


class MarkedFile(Base):
    """A file that was marked without a campaign, by `twig mark` or `twig generate`; append-only.

    `sha256` is that of the file as it was written, `manifest` names its credential, and `payload`, `method`, `key_id`
    and `psnr` are those of `Watermark`; None for what it did not get.
    """

    __tablename__ = "marked_file"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    manifest: Mapped[str | None] = mapped_column(String(255), index=True)
    payload: Mapped[str | None] = mapped_column(String(12), index=True)
    method: Mapped[str | None] = mapped_column(String(64))
    key_id: Mapped[str | None] = mapped_column(String(8))
    psnr: Mapped[float | None]
    command: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Mask(Base):
    """The foreground of an image: a PNG in the artifact store, or none when `outcome` says why there is none.

    `source` and `brightness` are those of `segmentation.SourcedMask`.
    """

    __tablename__ = "mask"
    __table_args__ = (
        UniqueConstraint("image_id", "segmenter"),
        CheckConstraint("outcome IN ('ok', 'empty', 'full')", name="outcome"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    segmenter: Mapped[str] = mapped_column(String(255))
    outcome: Mapped[str] = mapped_column(String(16))
    area: Mapped[float]
    sha256: Mapped[str | None] = mapped_column(String(64))
    ranked: Mapped[list[Any]] = mapped_column(default=list)
    source: Mapped[str] = mapped_column(String(16), default="automatic", server_default="automatic")
    brightness: Mapped[float | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    image: Mapped[Image] = relationship()


class PolicyRow(Base):
    """The thresholds of one audit policy, named by the hash of their canonical JSON."""

    __tablename__ = "policy"

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    body: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Audit(Base):
    """One comparison of an image with a corpus under a policy by certain library versions; append-only.

    Of several that differ in the versions only, the newest counts. The verdict is an opinion about similarity, not
    about infringement. `allowed` lists the ids of the allowed elements that were left out of the comparison, with
    commas between; None for all works as they are. Such an audit counts as long as all these elements are allowed.
    """

    __tablename__ = "audit"
    __table_args__ = (
        Index(
            "uq_audit_image_policy_corpus_versions",
            "image_id",
            "policy_id",
            "corpus_version_id",
            text("CAST(versions AS TEXT)"),
            text("COALESCE(allowed, '')"),
            unique=True,
        ),
        CheckConstraint("verdict IN ('pass', 'review', 'fail', 'inconclusive')", name="verdict"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    policy_id: Mapped[int] = mapped_column(ForeignKey("policy.id"))
    corpus_version_id: Mapped[int] = mapped_column(ForeignKey("corpus_version.id"))
    verdict: Mapped[str] = mapped_column(String(16))
    reasons: Mapped[list[str]]
    nearest_reference_id: Mapped[int | None] = mapped_column(ForeignKey("reference.id"))
    scores: Mapped[dict[str, Any]]
    thresholds: Mapped[dict[str, Any]]
    versions: Mapped[dict[str, Any]]
    run_id: Mapped[str] = mapped_column(String(255), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    allowed: Mapped[str | None] = mapped_column(String(255))

    image: Mapped[Image] = relationship()
    policy: Mapped[PolicyRow] = relationship()
    corpus_version: Mapped[CorpusVersion] = relationship()
    nearest_reference: Mapped[Reference | None] = relationship()
    matches: Mapped[list["AuditMatch"]] = relationship(back_populates="audit", order_by="AuditMatch.rank")
    reviews: Mapped[list["Review"]] = relationship(back_populates="audit", order_by="Review.id")


class AuditMatch(Base):
    """One of the references nearest to an audited image, the nearest at rank 1; append-only."""

    __tablename__ = "audit_match"
    __table_args__ = (UniqueConstraint("audit_id", "rank"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    audit_id: Mapped[int] = mapped_column(ForeignKey("audit.id"))
    reference_id: Mapped[int] = mapped_column(ForeignKey("reference.id"))
    rank: Mapped[int]
    scores: Mapped[dict[str, Any]]
    transform: Mapped[str] = mapped_column(String(64))

    audit: Mapped[Audit] = relationship(back_populates="matches")
    reference: Mapped[Reference] = relationship()


class JudgeCalibration(Base):
    """What a judge gives plain draws of a checkpoint, of prompts that it knows; a threshold is a quantile of it."""

    __tablename__ = "judge_calibration"
    __table_args__ = (UniqueConstraint("judge_sha256", "base_sha256"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    judge_sha256: Mapped[str] = mapped_column(String(64))
    base_sha256: Mapped[str] = mapped_column(String(64))
    margins: Mapped[list[Any]]
    source: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Adherence(Base):
    """A judge's verdict on whether an image shows its prompt, under one threshold; append-only.

    Of several by the same judge under the same threshold, the newest counts. `subject` is what was asked for, in the
    judge's words, and `taken_for` what the image looks most like to it; `scores` holds what the verdict rests on.
    """

    __tablename__ = "adherence"
    __table_args__ = (
        CheckConstraint("verdict IN ('as_asked', 'not_as_asked', 'cannot_tell')", name="verdict"),
        Index("ix_adherence_image_id_judge_sha256", "image_id", "judge_sha256"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    judge_sha256: Mapped[str] = mapped_column(String(64))
    verdict: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str]
    score: Mapped[float | None]
    threshold: Mapped[float | None]
    subject: Mapped[str | None]
    taken_for: Mapped[str | None]
    scores: Mapped[dict[str, Any]]
    run_id: Mapped[str] = mapped_column(String(255), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    image: Mapped[Image] = relationship()


class Review(Base):
    """A person's decision about an image, made beside an audit of it; append-only. `lift` takes back what came before.

    What several come to, `compliance.decisions` says.
    """

    __tablename__ = "review"
    __table_args__ = (CheckConstraint("decision IN ('waive', 'reject', 'lift')", name="decision"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    audit_id: Mapped[int] = mapped_column(ForeignKey("audit.id"), index=True)
    decision: Mapped[str] = mapped_column(String(16))
    who: Mapped[str]
    why: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    audit: Mapped[Audit] = relationship(back_populates="reviews")


class UnreadWork(Base):
    """A file of the corpus that nothing, or not all of it, is compared with; until `gone_at`, when it was mended.

    `sha256` is that of its content; None where it could not be read at all.
    """

    __tablename__ = "unread_work"

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign: Mapped[str] = mapped_column(String(255), index=True)
    file: Mapped[str]
    sha256: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str]
    found_at: Mapped[datetime] = mapped_column(default=utc_now)
    gone_at: Mapped[datetime | None]


class UnreadDecision(Base):
    """A person's decision that a file of the corpus need not be compared; append-only, so the newest one counts.

    It is about one file with one content; of a file that could not be read at all, about that and its reason.
    """

    __tablename__ = "unread_decision"
    __table_args__ = (CheckConstraint("decision IN ('accept', 'lift')", name="decision"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign: Mapped[str] = mapped_column(String(255), index=True)
    file: Mapped[str]
    sha256: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str]
    decision: Mapped[str] = mapped_column(String(16))
    who: Mapped[str]
    why: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class AllowedElement(Base):
    """A person's decision that a work, or a part of it, may be shown; append-only. `lift` takes back the one it names.

    It holds in one campaign, or in all where `campaign` is None, for the work with this hash: for the whole of it, or
    for `parts`, each [x, y, width, height] in shares of the work's own width and height; until the end of the day
    `until` (ISO, UTC), or until it is lifted.
    """

    __tablename__ = "allowed_element"
    __table_args__ = (
        CheckConstraint("decision IN ('allow', 'lift')", name="decision"),
        CheckConstraint("kind IN ('licensed', 'generic')", name="kind"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign: Mapped[str | None] = mapped_column(String(255), index=True)
    work_sha256: Mapped[str] = mapped_column(String(64), index=True)
    title: Mapped[str]
    parts: Mapped[list[Any]] = mapped_column(default=list)
    kind: Mapped[str] = mapped_column(String(16))
    decision: Mapped[str] = mapped_column(String(16))
    lifts_id: Mapped[int | None] = mapped_column(ForeignKey("allowed_element.id"))
    until: Mapped[str | None] = mapped_column(String(10))
    who: Mapped[str]
    why: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class PolicyChange(Base):
    """A person's change of a campaign's thresholds, from the desk; append-only.

    `changes` maps each field to its value before and after; the hashes name the policies.
    """

    __tablename__ = "policy_change"

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign: Mapped[str] = mapped_column(String(255), index=True)
    before_sha256: Mapped[str] = mapped_column(String(64))
    after_sha256: Mapped[str] = mapped_column(String(64))
    changes: Mapped[dict[str, Any]]
    who: Mapped[str]
    why: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class RedrawRequest(Base):
    """A person's wish that a prompt is drawn once more, at `attempt`, from 0, whatever became of those before."""

    __tablename__ = "redraw_request"

    id: Mapped[int] = mapped_column(primary_key=True)
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompt.id"), index=True)
    attempt: Mapped[int]
    who: Mapped[str]
    why: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    prompt: Mapped[Prompt] = relationship()


class Release(Base):
    """An image published for a prompt on the strength of an audit, and perhaps its withdrawal; one at a time stands."""

    __tablename__ = "release"
    __table_args__ = (
        Index(
            "uq_release_prompt_standing",
            "prompt_id",
            unique=True,
            sqlite_where=text("withdrawn_at IS NULL"),
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompt.id"), index=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), index=True)
    audit_id: Mapped[int] = mapped_column(ForeignKey("audit.id"))
    released_at: Mapped[datetime] = mapped_column(default=utc_now)
    withdrawn_at: Mapped[datetime | None]
    reason: Mapped[str | None]

    prompt: Mapped[Prompt] = relationship()
    image: Mapped[Image] = relationship()
    audit: Mapped[Audit] = relationship()


class RowState(Base):
    """What a row that may change, such as a work's, said from a moment on; append-only (see `catalog.row_states`)."""

    __tablename__ = "row_state"
    __table_args__ = (Index("ix_row_state_table_name_row_id", "table_name", "row_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    table_name: Mapped[str] = mapped_column(String(16))
    row_id: Mapped[int]
    content: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(default=utc_now)


class ReportFile(Base):
    """A file of a report, relative to the folder of reports, and the SHA-256 that it had; append-only.

    `removed` says why the file is not there any more; the newest row of a file counts.
    """

    __tablename__ = "report_file"

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign: Mapped[str] = mapped_column(String(255), index=True)
    file: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(default=utc_now)
    removed: Mapped[str | None]


class ReleaseEvent(Base):
    """Something that happened to a release: it was `released`, `signed` anew, or `withdrawn`; append-only.

    `published_sha256` names the file with its credential that is published from then on, a PNG in the artifact store;
    None where none was signed. `credential` holds its manifest, signer and time stamp.
    """

    __tablename__ = "release_event"
    __table_args__ = (CheckConstraint("event IN ('released', 'signed', 'withdrawn')", name="event"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    release_id: Mapped[int] = mapped_column(ForeignKey("release.id"), index=True)
    event: Mapped[str] = mapped_column(String(16))
    prompt_id: Mapped[int] = mapped_column(ForeignKey("prompt.id"))
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), index=True)
    audit_id: Mapped[int] = mapped_column(ForeignKey("audit.id"))
    at: Mapped[datetime] = mapped_column(default=utc_now)
    reason: Mapped[str | None]
    published_sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    credential: Mapped[dict[str, Any]] = mapped_column(default=dict)

    release: Mapped[Release] = relationship()


class UnsignedImage(Base):
    """An image that complies and could not be signed, with the reason; gone as soon as it is."""

    __tablename__ = "unsigned_image"

    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    reason: Mapped[str]
    found_at: Mapped[datetime] = mapped_column(default=utc_now)


class LedgerEntry(Base):
    """One link of the hash chain over all evidence (see `twig_assets.catalog.ledger`); append-only."""

    __tablename__ = "ledger_entry"
    __table_args__ = (
        UniqueConstraint("table_name", "row_id"),
        CheckConstraint(
            "table_name IN ('audit', 'audit_match', 'review', 'adherence', 'unread_decision', 'allowed_element', "
            "'policy_change', 'release_event', 'prompt', 'model', 'image', 'mask', 'concept_edit', 'policy', "
            "'corpus_version', 'row_state', 'report_file', 'watermark', 'marked_file')",
            name="table_name",
        ),
    )

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    table_name: Mapped[str] = mapped_column(String(16))
    row_id: Mapped[int]
    previous_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    sha256: Mapped[str] = mapped_column(String(64))


class Notification(Base):
    """Something that people are told once: an event that concerns one batch or run, with a line for each item of it.

    `items` maps what makes an item unique, such as a release's id, to its line. `channels` maps those that have carried
    it to the time when; `sent_at` is empty until all have, and `trouble` is why one has not.
    """

    __tablename__ = "notification"
    __table_args__ = (UniqueConstraint("campaign", "event", "subject", "items_sha256"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign: Mapped[str] = mapped_column(String(255))
    event: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(255))
    items: Mapped[dict[str, Any]]
    items_sha256: Mapped[str] = mapped_column(String(64))
    channels: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    sent_at: Mapped[datetime | None]
    trouble: Mapped[str | None]
