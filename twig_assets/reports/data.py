"""What a compliance report says, as data; the JSON beside the page is this without the pictures' bytes."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Outcome = Literal["released", "quarantined", "failed", "review", "rejected", "waiting"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Picture(_Part):
    """A picture to show.

    Attributes:
        sha256: Hash of its file.
        uri: The picture as a `data:` URI; empty when the file could not be read.
    """

    sha256: str
    uri: str = Field("", exclude=True, repr=False)


class ModelLine(_Part):
    """The model that made the newest images: its checkpoint, its fingerprint and the concepts edited out of it."""

    checkpoint: str
    sha256: str
    edits: list[str]


class ReferenceLine(_Part):
    """A protected work as the report names it."""

    title: str
    rights_holder: str
    licence: str
    picture: Picture


class DetectorLine(_Part):
    """What a detector says about an image; `reached` when its score is on the wrong side of the threshold."""

    name: str
    title: str
    score: float
    direction: str
    threshold: float
    reached: bool


class Scored(_Part):
    """An audited image.

    Attributes:
        picture: The image.
        stage: `generated` (the first image) or `regenerated` (the one that avoids its shape).
        attempt: 0 for the first try.
        seed: The seed it was drawn with.
        verdict: Of its newest audit; None when it has not been audited.
        reasons: Of that audit.
        ssim: Highest SSIM to any reference, whole picture; None if not judged.
        iw_ssim: Highest `iw_ssim`, which must bear SSIM out; None if not judged, or by an audit from before it.
        masked_ssim: Highest SSIM inside the mask; None if not judged.
        ssim_threshold: Of that audit.
        masked_ssim_threshold: Of that audit.
        detectors: The detectors that its policy has turned on, each with its score nearest to a copy of any reference.
        transform: How the nearest work was turned to match.
        nearest: The nearest protected work.
        audited_at: When.
        waiver: Who let it through in spite of the verdict, and why; None for most.
        rejected: Whether a person's newest decision on that audit was to reject it.
    """

    picture: Picture
    stage: str
    attempt: int
    seed: int
    verdict: str | None = None
    reasons: list[str] = []
    ssim: float | None = None
    iw_ssim: float | None = None
    masked_ssim: float | None = None
    ssim_threshold: float | None = None
    masked_ssim_threshold: float | None = None
    detectors: list[DetectorLine] = []
    transform: str | None = None
    nearest: ReferenceLine | None = None
    audited_at: datetime | None = None
    waiver: str | None = None
    rejected: bool = False


class PromptLine(_Part):
    """A prompt and what came of it.

    Attributes:
        batch: Key of its batch.
        position: Its place there, from 0.
        text: The prompt.
        outcome: `released` when an image of it is published. Else the state of its candidate: `failed` (another
            attempt is due), `quarantined` (all attempts are spent), `review` (waits for a person), `rejected` (a person
            said no) or `waiting` (not made, not audited or not released yet).
        first: The first image that the candidate was made from.
        mask: Its foreground; None when it has none.
        mask_outcome: `ok`, `empty` or `full`.
        mask_area: Share of the picture, 0 to 1.
        superseded: First images that a rerun has replaced.
        attempts: The regenerated images, the candidate last.
    """

    batch: str
    position: int
    text: str
    outcome: Outcome
    first: Scored | None
    mask: Picture | None
    mask_outcome: str | None
    mask_area: float | None
    superseded: list[Scored]
    attempts: list[Scored]

    @property
    def images(self) -> list[Scored]:
        """All images made for the prompt: first images, then attempts."""
        return ([self.first] if self.first else []) + self.superseded + self.attempts


class Caught(_Part):
    """The failed images of one prompt that resemble the same protected work."""

    prompt: str
    outcome: Outcome
    nearest: ReferenceLine | None
    images: list[Scored]


class Released(_Part):
    """An image that is published.

    Attributes:
        safe: Its verdict under the policy and corpus in force is `pass` and no person rejected it, or one waived it.
    """

    prompt: str
    image: Scored
    safe: bool
    released_at: datetime


class Figure(_Part):
    """What CLIP sees in the images of one prompt before and after an edit; see `ablation.evaluation`."""

    prompt: str
    role: str
    score_before: float
    score_after: float
    accuracy_before: float
    accuracy_after: float
    accuracy_interval: tuple[float, float] | None = None


class ConceptLine(_Part):
    """A protected concept and the edit that removes it; `accepted` is None when there is no edit yet."""

    name: str
    target: str
    anchor: str
    kind: str
    method: str | None
    accepted: bool | None
    seconds: float | None
    samples: int | None
    figures: list[Figure]


class Counts(_Part):
    """The headline.

    Attributes:
        prompts: In the campaign.
        images: Made so far, both stages, all attempts.
        audited: How many of these images have a verdict.
        failed: Images of any stage whose newest verdict is `fail`.
        released: Prompts with a published image.
        quarantined: Prompts whose attempts are spent on failing images.
        review: Prompts that wait for a person.
        released_unsafe: Published images that are not safe any more; see `Released`.
        released_waived: Published images that a person let through although their newest audit did not pass them.
        worst_released_ssim: Highest SSIM of a published image to any protected work.
        ssim_95_released: 95th percentile of these SSIMs over the published images.
    """

    prompts: int
    images: int
    audited: int
    failed: int
    released: int
    quarantined: int
    review: int
    released_unsafe: int
    released_waived: int
    worst_released_ssim: float | None
    ssim_95_released: float | None = None


class Recheck(_Part):
    """What was done for this report about the images that are published.

    Attributes:
        published: How many there were.
        standing: How many had a verdict under the policy and corpus of the day.
        rejudged: How many got one by scores against the same works that an earlier audit kept.
        scored: How many were scored again.
        withdrawn: Prompts whose image was withdrawn, with the reason.
    """

    published: int
    standing: int
    rejudged: int
    scored: int
    withdrawn: list[str]


class Since(_Part):
    """What has changed since the last report.

    Attributes:
        made_at: When that was.
        released: Prompts that have a published image now and had none; `withdrawn` the other way round.
        replaced: Prompts with another published image.
        policy: Fields that have changed, as `name: before -> now`.
        works_added: Titles of protected works that are new in the corpus.
        works_removed: Titles of protected works that are no longer in it.
        model: Whether another model drew the newest images.
    """

    made_at: datetime
    released: list[str]
    withdrawn: list[str]
    replaced: list[str]
    policy: list[str]
    works_added: list[str]
    works_removed: list[str]
    model: bool


class TrendPoint(_Part):
    """The figures of one dated report."""

    made_at: datetime
    released: int
    quarantined: int
    worst_released_ssim: float | None
    ssim_95_released: float | None


class LedgerHead(_Part):
    """The newest entry of the catalog's ledger when the report was made; `twig verify` compares it with the catalog."""

    sequence: int
    sha256: str


class ReportData(_Part):
    """Everything on the page."""

    title: str
    campaign: str
    made_at: datetime
    max_attempts: int
    counts: Counts
    model: ModelLine | None
    corpus_sha256: str | None
    references: list[ReferenceLine]
    policy: dict[str, Any]
    policy_sha256: str | None
    caught: list[Caught]
    released: list[Released]
    prompts: list[PromptLine]
    concepts: list[ConceptLine]
    ledger: LedgerHead | None = None
    recheck: Recheck | None = None
    since: Since | None = None
    trend: list[TrendPoint] = []

    @property
    def waived(self) -> list[tuple[str, Scored]]:
        """Prompt and image of every waiver that holds."""
        return [(line.text, image) for line in self.prompts for image in line.images if image.waiver]
