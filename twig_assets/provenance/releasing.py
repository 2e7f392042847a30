"""Signing what a campaign releases: what each image says about itself, from the catalog, and its file with that.

Signing waits for keys, tokens and servers of time stamps, so it is done between two short sessions: `due_files` reads
what is to be said, `sign_files` says it, and `compliance.releases.publish` writes the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.catalog.among import among
from twig_assets.catalog.ledger import Head, head
from twig_assets.catalog.models import Audit, ConceptEdit, LedgerEntry, Model, ReleaseEvent, Review, Watermark
from twig_assets.catalog.releases import PublishedFile, published_files
from twig_assets.catalog.store import ArtifactError, ArtifactStore
from twig_assets.compliance.candidates import PromptState
from twig_assets.compliance.releases import NOTHING_TO_SIGN, Signed
from twig_assets.compliance.state import release_terms
from twig_assets.provenance.credentials import Credentials
from twig_assets.provenance.errors import CredentialError, TimeStampError
from twig_assets.provenance.keys.management import ReadyKeys, ready_keys
from twig_assets.provenance.keys.revocation import Revocation
from twig_assets.provenance.keys.settings import signing_settings
from twig_assets.provenance.manifest import Claim
from twig_assets.provenance.pixels import pixels_sha256
from twig_assets.provenance.signing import Signed as SignedPicture
from twig_assets.provenance.signing import sign_picture
from twig_assets.provenance.statement import (
    AuditPart,
    DecisionPart,
    EditPart,
    LedgerPart,
    ModelPart,
    PromptPart,
    RegenerationPart,
    ReleaseStatement,
)
from twig_assets.settings.credentials import CredentialSettings
from twig_assets.similarity import read_part

When = Literal["required", "if_possible", "off"]


@dataclass(frozen=True)
class DueFile:
    """An image to sign, and what is said about it but for its pixels' hash."""

    image_id: int
    image_sha256: str
    title: str
    watermarked: bool
    fields: dict[str, Any]


@dataclass(frozen=True)
class DueFiles:
    """What is to be signed of a batch.

    Attributes:
        files: The images.
        when: Whether that is required.
        do_not_train: Whether they say that nobody may train on them.
        passed: When the newest evidence was written; no clock may say less.
    """

    files: Sequence[DueFile]
    when: When
    do_not_train: bool
    passed: datetime | None


def credential_settings(campaign: Campaign) -> CredentialSettings:
    """What a campaign's policy says of credentials, with what it leaves out.

    Raises:
        PolicyError: If the policy cannot be read.
        CredentialError: If the file of the keys cannot be read.
    """
    settings = read_part(campaign.policy_file, CredentialSettings)
    if settings.when is not None:
        return settings
    return settings.model_copy(update={"when": "required" if signing_settings() else "off"})


def due_files(session: Session, campaign: Campaign, states: Sequence[PromptState]) -> DueFiles:
    """The candidates that may be released and have no credential yet, with what is said about each.

    Args:
        session: An open session.
        campaign: Their campaign.
        states: The prompts of a batch.
    """
    settings = credential_settings(campaign)
    when: When = settings.when or "off"
    if when == "off":
        return DueFiles([], when, settings.do_not_train, None)
    signed = published_files(session, [state.release.id for state in states if state.release])
    due = [state for state in states if state.releasable and not _is_signed(state, signed)]
    newest = head(session.connection())
    files = [_due_file(session, campaign.name, state, settings, newest) for state in due]
    return DueFiles(files, when, settings.do_not_train, newest_evidence(session))


def sign_files(due: DueFiles, store: ArtifactStore) -> Signed:
    """Sign the images, store the files and read them again; what cannot be signed is there with its reason.

    A server of time stamps that does not answer is not asked again for the same batch.

    Args:
        due: What is to be signed.
        store: Where the images are, and where the files come to lie.
    """
    if not due.files:
        return NOTHING_TO_SIGN if due.when != "required" else Signed({}, {}, required=True)
    required = due.when == "required"
    try:
        keys = ready_keys(due.passed)
    except CredentialError as error:
        return Signed({}, {file.image_id: str(error) for file in due.files}, required)
    signer = _Signer(keys)
    files: dict[int, PublishedFile] = {}
    refused: dict[int, str] = {}
    for file in due.files:
        try:
            files[file.image_id] = _signed_file(file, due.do_not_train, store, signer)
        except (CredentialError, ArtifactError) as error:
            refused[file.image_id] = str(error)
    return Signed(files, refused, required, keys.revocation.warnings)


def credential_facts(credentials: Credentials, revocation: Revocation) -> dict[str, Any]:
    """What the catalog keeps of a credential: names and hashes, nothing secret.

    Args:
        credentials: What the file says.
        revocation: What was known of the certificate when it signed.
    """
    signer = credentials.signer
    return {
        "manifest": credentials.manifest,
        "signer": signer.name if signer else None,
        "organisation": signer.organisation if signer else None,
        "serial": signer.serial if signer else None,
        "test": bool(signer and signer.test),
        "time_stamp": credentials.time_stamp.isoformat() if credentials.time_stamp else None,
        "revocation": revocation.fact,
    }


def newest_evidence(session: Session) -> datetime | None:
    """When the newest audit, decision or release was written; None where there is none."""
    times = [
        session.scalar(select(func.max(column))) for column in (Audit.created_at, Review.created_at, ReleaseEvent.at)
    ]
    return max((time for time in times if time is not None), default=None)


class _Signer:
    """Signs with the keys, and does without time stamps once their server did not answer, unless they are required."""

    def __init__(self, keys: ReadyKeys) -> None:
        self.keys, self.identity, self.url = keys, keys.identity, keys.settings.time_stamp_url
        self.required = keys.settings.time_stamp_required
        self.away: TimeStampError | None = None

    def sign(self, data: bytes, claim: Claim) -> SignedPicture:
        if self.url and self.away is None:
            try:
                return sign_picture(data, claim, self.identity, self.url)
            except TimeStampError as error:
                self.away = error
        if self.required and self.away:
            raise self.away
        return sign_picture(data, claim, self.identity)


def _signed_file(file: DueFile, do_not_train: bool, store: ArtifactStore, signer: _Signer) -> PublishedFile:
    picture = store.read(file.image_sha256, "png")
    statement = ReleaseStatement(
        **file.fields, pixels_sha256=pixels_sha256(picture), signed_at=datetime.now(UTC).replace(microsecond=0)
    )
    claim = Claim(
        title=file.title,
        generator=statement.model.name,
        statement=statement,
        do_not_train=do_not_train,
        watermark=file.watermarked,
    )
    signed = signer.sign(picture, claim)
    sha256 = store.put_bytes(signed.data, "png")
    # The store compares the bytes with their name, and the credential was read from these very bytes.
    store.read(sha256, "png")
    return PublishedFile(sha256, credential_facts(signed.credentials, signer.keys.revocation))


def _is_signed(state: PromptState, signed: dict[int, PublishedFile]) -> bool:
    release, candidate = state.release, state.candidate
    same = release is not None and candidate is not None and release.image_id == candidate.id
    return release is not None and same and release.id in signed


def _due_file(
    session: Session, campaign: str, state: PromptState, settings: CredentialSettings, newest: Head | None
) -> DueFile:
    image, audit, adherence = state.candidate, state.audit, state.adherence
    if image is None or audit is None:
        raise CredentialError(f"prompt {state.prompt.id}: has no audited image")
    verdict = adherence.verdict if adherence else None
    fields = {
        "campaign": campaign,
        "image_sha256": image.sha256,
        "prompt": PromptPart(sha256=state.prompt.sha256, text=state.prompt.text if settings.prompt == "text" else None),
        "seed": image.seed,
        "model": _model(session, image.model),
        "regeneration": RegenerationPart(
            first_image_sha256=image.parent.sha256, attempt=image.attempt, settings_sha256=image.settings_sha256
        )
        if image.parent
        else None,
        "audit": _audit(audit),
        "adherence": verdict,
        "terms": release_terms(state.state, state.decision, verdict),
        "decisions": _decisions(state, settings),
        "ledger": _ledger(session, audit, newest),
    }
    watermarked = session.scalar(select(Watermark.id).where(Watermark.image_id == image.id)) is not None
    return DueFile(image.id, image.sha256, f"{campaign}-{image.sha256[:12]}.png", watermarked, fields)


def _model(session: Session, model: Model) -> ModelPart:
    edits = session.scalars(
        select(ConceptEdit).where(among(ConceptEdit.weights_sha256, model.edits)).order_by(ConceptEdit.id)
    )
    named = {
        edit.weights_sha256: EditPart(concept=edit.concept.name, method=edit.method, weights_sha256=edit.weights_sha256)
        for edit in edits
    }
    return ModelPart(
        name=model.checkpoint,
        sha256=model.sha256,
        base_sha256=model.base_sha256,
        edits=tuple(named.get(sha256, EditPart(weights_sha256=sha256)) for sha256 in model.edits),
        joint_sha256=model.joint_sha256,
    )


def _audit(audit: Audit) -> AuditPart:
    nearest = audit.matches[0].scores if audit.matches else audit.scores
    numbers = {
        name: float(value)
        for name, value in nearest.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return AuditPart(
        verdict=audit.verdict,
        policy_sha256=audit.policy.sha256,
        corpus_sha256=audit.corpus_version.sha256,
        works=len(audit.corpus_version.members),
        nearest=numbers,
        audited_at=audit.created_at.replace(microsecond=0),
    )


def _decisions(state: PromptState, settings: CredentialSettings) -> tuple[DecisionPart, ...]:
    return tuple(
        DecisionPart(
            decision=review.decision,
            who=review.who if settings.people == "names" else None,
            decided_at=review.created_at.replace(microsecond=0),
        )
        for review in state.decided.by
    )


def _ledger(session: Session, audit: Audit, newest: Head | None) -> LedgerPart | None:
    entry = session.scalars(
        select(LedgerEntry).where(LedgerEntry.table_name == "audit", LedgerEntry.row_id == audit.id)
    ).first()
    if entry is None or newest is None:
        return None
    return LedgerPart(
        audit_sequence=entry.sequence,
        audit_sha256=entry.sha256,
        head_sequence=newest.sequence,
        head_sha256=newest.sha256,
    )
