"""What a release says about itself: the fields of our own assertion, which every C2PA reader shows as JSON."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

RELEASE_LABEL = "org.twig-assets.release"
"""Label of the assertion. It is stored in every file that was released, so it never changes."""

OPINION = "A verdict is an opinion about similarity to the works it was compared with, not about infringement."


class _Part(BaseModel):
    # A later version may say more; whoever reads an older or a newer one takes what it knows.
    model_config = ConfigDict(frozen=True, extra="ignore")


class PromptPart(_Part):
    """What was asked for: always its hash, its text only where the policy publishes it, and its place.

    `sha256` is that of the prompt's text and first seed, as the catalog names it.
    """

    sha256: str
    text: str | None = None


class EditPart(_Part):
    """A concept that was edited out of the model, with the hash of the edit's weights; its row may be gone."""

    weights_sha256: str
    concept: str | None = None
    method: str | None = None


class ModelPart(_Part):
    """The model that drew the image: its name, the hash of its base, of its edits, and of both together."""

    name: str
    sha256: str
    base_sha256: str
    edits: tuple[EditPart, ...] = ()
    joint_sha256: str | None = None


class RegenerationPart(_Part):
    """How the second image came about: the first image, by its hash only, the attempt, and the settings' hash."""

    first_image_sha256: str
    attempt: int
    settings_sha256: str


class AuditPart(_Part):
    """The audit by which it was released. `nearest` maps each score of the nearest work to its value."""

    verdict: str
    policy_sha256: str
    corpus_sha256: str
    works: int
    nearest: dict[str, float]
    audited_at: datetime
    opinion: str = OPINION


class DecisionPart(_Part):
    """A person's decision about the image; the policy may keep the name to itself."""

    decision: str
    who: str | None = None
    decided_at: datetime


class LedgerPart(_Part):
    """Links of the ledger: the audit's own, and the newest when this was signed, as `twig verify --head` takes it."""

    audit_sequence: int
    audit_sha256: str
    head_sequence: int
    head_sha256: str


class ReleaseStatement(_Part):
    """What a release says about itself.

    Attributes:
        version: Of these fields.
        campaign: The campaign's name.
        image_sha256: Of the picture as it was audited, without any credential: the name of the artifact.
        pixels_sha256: Of its pixels alone, see `pixels_sha256`; a copy in another container keeps it.
        seed: That the image was drawn with.
        terms: On what grounds it was released: `as_asked`, `waived` by people, or `cannot_tell`, where the policy
            releases what the judge cannot judge.
        adherence: The judge's verdict on whether it shows its prompt; None where there is none.
        signed_at: The signing machine's clock; only a time stamp proves a time.
    """

    version: Literal[1] = 1
    campaign: str
    image_sha256: str
    pixels_sha256: str
    prompt: PromptPart
    seed: int
    model: ModelPart
    regeneration: RegenerationPart | None = None
    audit: AuditPart
    adherence: str | None = None
    terms: str
    decisions: tuple[DecisionPart, ...] = ()
    ledger: LedgerPart | None = None
    signed_at: datetime
