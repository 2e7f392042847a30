"""What a compliance report says, as data.

A campaign may have tens of thousands of prompts, so their lines lie in a file (see `lines`) and are read as they are
shown; everything else is small.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from twig_assets.compliance.state import ReleaseTerms
from twig_assets.judge.verdict import AdherenceVerdict
from twig_assets.settings.regeneration import Reason

Outcome = Literal["released", "waiting", "quarantined", "rejected", "failed", "unfinished"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Picture(_Part):
    """A picture, by the hash of its file; `pictures.Thumbnails` finds it."""

    sha256: str


class ModelLine(_Part):
    """The model that made the newest images: its checkpoint, its fingerprint and the concepts edited out of it."""

    checkpoint: str
    sha256: str
    edits: list[str]


class ReferenceLine(_Part):
    """A protected work as the report names it; `notes` says what was done to it before it was compared."""

    title: str
    rights_holder: str
    licence: str
    picture: Picture
    notes: list[str] = []


class UnreadLine(_Part):
    """A file of the corpus that is not, or not wholly, compared with; see `campaign.unread_works.Unread`."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    file: str
    reason: str
    sha256: str | None
    accepted: str | None


class AllowedLine(_Part):
    """What a person allowed to be shown of a work; see `campaign.allowed_elements`.

    Attributes:
        made_at: When.
        described: What, of which kind, until when, by whom and why.
        today: What it comes to today.
        holds: Whether it may be shown today.
    """

    made_at: datetime
    described: str
    today: str
    holds: bool


class DetectorLine(_Part):
    """What a detector says about an image; `reached` when its score is on the wrong side of the threshold."""

    name: str
    title: str
    score: float
    direction: str
    threshold: float
    reached: bool


class AdherenceLine(_Part):
    """A judge's verdict on whether an image shows its prompt.

    Attributes:
        verdict: `as_asked`, `not_as_asked` or `cannot_tell`.
        score: By how much the image is nearer to what was asked for than to anything else that the judge knows, -2 to
            2; None where the judge does not know what was asked for.
        threshold: From which score on it shows it; None where none could be found.
        subject: What was asked for, in the judge's words.
        taken_for: What the image looks most like to the judge.
        reason: The verdict's reason.
        judge_sha256: Fingerprint of the judge.
    """

    verdict: AdherenceVerdict
    score: float | None
    threshold: float | None
    subject: str | None
    taken_for: str | None
    reason: str
    judge_sha256: str

    @property
    def narrow(self) -> bool:
        """Whether it is as asked although it looks more like something else, by less than plain draws often do."""
        return self.verdict == "as_asked" and self.score is not None and self.score < 0


class RerunLine(_Part):
    """Why an image was drawn again.

    Attributes:
        reason: What was wrong with the image before: `copy`, `near_miss` or `lost_subject`.
        evidence_of_copy: Whether an image of the prompt had been found to be a copy by then.
        changed: Settings that differ from the first attempt's, as `name: before -> now`.
    """

    reason: Reason
    evidence_of_copy: bool
    changed: list[str]


class DecisionLine(_Part):
    """A person's decision.

    Attributes:
        made_at: When.
        who: Who.
        decision: `waive`, `reject` or `lift`.
        why: The reason given.
        prompt: The image's prompt.
        image_sha256: The image.
        verdict: Of the audit that it was made beside, with its reasons.
        standing: What it comes to today.
        lapsed: Whether it is a waiver that lapsed.
    """

    made_at: datetime
    who: str
    decision: str
    why: str
    prompt: str
    image_sha256: str
    verdict: str
    standing: str
    lapsed: bool = False


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
        nearest_view: Which view of it, such as `frame 3`; empty for a plain picture.
        audited_at: When.
        waiver: Who let it through in spite of the verdict, and why; None for most.
        rejected: Whether a person's newest decision on that audit was to reject it.
        adherence: Whether it shows its prompt; None when nobody has judged that.
        rerun: Why it was drawn again; None for a first attempt.
        candidate: Whether it is the image that its prompt would be released with.
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
    nearest_view: str = ""
    audited_at: datetime | None = None
    waiver: str | None = None
    rejected: bool = False
    adherence: AdherenceLine | None = None
    rerun: RerunLine | None = None
    candidate: bool = False


class NamedLine(_Part):
    """Something protected that a prompt named: as it was `written`, the protected words, and what to draw instead."""

    written: str
    term: str
    anchor: str | None


class Ended(_Part):
    """An image that was published and is not any more.

    Attributes:
        prompt: What it was released for.
        image_sha256: The image.
        released_at: When it was published.
        withdrawn_at: When that ended.
        reason: Why.
        replaced: Whether another image of the prompt is published now.
    """

    prompt: str
    image_sha256: str
    released_at: datetime
    withdrawn_at: datetime
    reason: str
    replaced: bool


class Released(_Part):
    """An image that is published.

    Attributes:
        terms: On what terms, see `compliance.state.release_terms`.
        why: What speaks against it, for `withdraw` and `unjudged`.
        next_step: What to do about it; None where there is nothing to do.
    """

    prompt: str
    image: Scored
    terms: ReleaseTerms
    why: str | None
    next_step: str | None
    released_at: datetime


class PromptLine(_Part):
    """A prompt and what came of it.

    Attributes:
        batch: Key of its batch.
        position: Its place there, from 0.
        text: The prompt.
        outcome: `released` when an image of it is published. Else the state of its candidate: `waiting` (for a
            person), `quarantined` (all are too similar to a protected work, and all attempts are spent), `rejected` (a
            person said no), `failed` (another attempt is due) or `unfinished` (not made, audited or released yet).
        terms: On what terms an image of it is published, see `compliance.state.release_terms`; None if none is.
        why: Why its candidate is not published, in one sentence; None if an image of it is.
        next_step: What to do about that; None if an image of it is published.
        written: The prompt as its file has it, where protected words in it were replaced; None for most.
        named: What it names that is protected, in the file's words.
        first: The first image, whose shape the second ones avoid.
        mask: Its foreground; None when it has none.
        mask_outcome: `ok`, `empty` or `full`.
        mask_area: Share of the picture, 0 to 1.
        superseded: Further first images; earlier versions drew one for every attempt.
        attempts: The regenerated images.
        published: The image that is published; None if none is.
        ended: Its images that were published before, the oldest first.
    """

    batch: str
    position: int
    text: str
    outcome: Outcome
    terms: ReleaseTerms | None
    why: str | None
    next_step: str | None
    written: str | None = None
    named: list[NamedLine] = []
    first: Scored | None
    mask: Picture | None
    mask_outcome: str | None
    mask_area: float | None
    superseded: list[Scored]
    attempts: list[Scored]
    published: Released | None = None
    ended: list[Ended] = []

    @property
    def images(self) -> list[Scored]:
        """All images made for the prompt: first images, then attempts."""
        return ([self.first] if self.first else []) + self.superseded + self.attempts

    @property
    def candidate(self) -> Scored | None:
        """The image that the prompt would be released with."""
        return next((image for image in self.images if image.candidate), None)


class Caught(_Part):
    """The failed images of one prompt that resemble the same protected work."""

    prompt: str
    outcome: Outcome
    nearest: ReferenceLine | None
    images: list[Scored]


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
    """A protected concept and the edit that removes it; `accepted` is None when there is no edit yet.

    Attributes:
        refusals: Why the edit was refused, a sentence each.
        unjudged: Whether nobody judged it.
    """

    name: str
    target: str
    anchor: str
    kind: str
    method: str | None
    accepted: bool | None
    seconds: float | None
    samples: int | None
    figures: list[Figure]
    refusals: list[str] = Field(default_factory=list)
    unjudged: bool = False


class Counts(_Part):
    """The headline: every prompt is in one of `released`, `waiting`, `withheld` and `unfinished`.

    Attributes:
        asked: Prompts in the campaign.
        released: Prompts with a published image, in one of five ways:
        released_as_asked: Those whose image passed the audit and shows its prompt.
        released_narrowly: Those of them whose image looks more like something else to the judge, within its threshold.
        released_waived: Those whose image a person let through.
        released_cannot_tell: Those whose image passed while the judge could not tell whether it shows its prompt, as
            the policy allows.
        released_unjudged: Those whose image lacks a verdict of the day.
        released_unsafe: Those whose image complies no longer.
        waiting: Prompts for which a person has to decide.
        withheld: Prompts that are quarantined or that a person rejected.
        unfinished: Prompts for which something has still to be drawn, audited or released.
        quarantined: Prompts whose attempts are spent on failing images.
        withdrawn: Prompts of which an image was published, and none is any more; each is also in one of the others.
        named: Prompts that named something protected.
        images: Made so far, both stages, all attempts.
        audited: How many of these images have a verdict.
        failed: Images of any stage whose newest verdict is `fail`.
        worst_released_ssim: Highest SSIM of a published image to any protected work.
        ssim_95_released: 95th percentile of these SSIMs over the published images.
    """

    asked: int
    released: int
    released_as_asked: int
    released_narrowly: int
    released_waived: int
    released_cannot_tell: int
    released_unjudged: int
    released_unsafe: int
    waiting: int
    withheld: int
    unfinished: int
    quarantined: int
    withdrawn: int = 0
    named: int = 0
    images: int
    audited: int
    failed: int
    worst_released_ssim: float | None
    ssim_95_released: float | None = None


class JudgeLine(_Part):
    """Who judges whether images show their prompts, and by what.

    Attributes:
        name: The campaign's judge.
        sha256: Its fingerprint.
        threshold: From which score on an image shows its prompt; None where none could be found.
        source: Where the threshold comes from.
        release_cannot_tell: Whether the policy releases what the judge cannot judge.
        first_images: Whether the policy releases first images.
    """

    name: str
    sha256: str
    threshold: float | None
    source: str
    release_cannot_tell: bool
    first_images: bool


class Recheck(_Part):
    """What was done for this report about the images that are published.

    Attributes:
        published: How many there were.
        standing: How many had a verdict under the policy and corpus of the day.
        rejudged: How many got one by scores against the same works that an earlier audit kept.
        scored: How many were scored again.
        judged: How many got a new verdict on whether they show their prompt.
        withdrawn: Prompts whose image was withdrawn, with the reason.
    """

    published: int
    standing: int
    rejudged: int
    scored: int
    judged: int
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
    asked: int
    released: int
    released_as_asked: int
    waiting: int
    withheld: int
    worst_released_ssim: float | None
    ssim_95_released: float | None


class LedgerHead(_Part):
    """The newest entry of the catalog's ledger when the report was made; `twig verify` compares it with the catalog."""

    sequence: int
    sha256: str


class Bar(_Part):
    """Audited images whose SSIM lies in one step of the scale, counted by what became of them."""

    low: float
    high: float
    released: int = 0
    held: int = 0
    failed: int = 0


class WorkSource(_Part):
    """Where the picture of a protected work is: its PNG in the artifact store, or its file among the works."""

    pixels_sha256: str | None
    file: str


class HistoryLine(_Part):
    """Something that decides what is published, done by a person or come about by itself; see `compliance.events`."""

    when: datetime
    who: str
    what: str
    about: str
    why: str
    then: str
    today: str
    ended: bool
    image: str | None


class Summary(_Part):
    """What a report says of the campaign as a whole; a dated report keeps this as JSON.

    Attributes:
        complete: Whether every work that is listed or lies in the folder was compared, in all its frames.
        unread: Those that were not, whether or not somebody accepted that.
        allowed: What people ever allowed to be shown of works, and what that comes to today.
        spread: How many audited images reach which SSIM.
        sources: Hash of each work's file -> where its picture is.
    """

    title: str
    campaign: str
    made_at: datetime
    max_attempts: int
    counts: Counts
    model: ModelLine | None
    corpus_sha256: str | None
    references: list[ReferenceLine]
    complete: bool = True
    unread: list[UnreadLine] = []
    policy: dict[str, Any]
    policy_sha256: str | None
    judge: JudgeLine
    concepts: list[ConceptLine]
    decisions: list[DecisionLine] = []
    history: list[HistoryLine] = []
    allowed: list[AllowedLine] = []
    ledger: LedgerHead | None = None
    recheck: Recheck | None = None
    since: Since | None = None
    trend: list[TrendPoint] = []
    spread: list[Bar] = Field([], exclude=True, repr=False)
    sources: dict[str, WorkSource] = Field({}, exclude=True, repr=False)

    @property
    def holding(self) -> list[UnreadLine]:
        """What was not compared and nobody accepted, so that it holds releases back."""
        return [work for work in self.unread if work.accepted is None]

    @property
    def lapsed(self) -> list[DecisionLine]:
        """The waivers that let an image through once and hold no longer, although nobody took them back."""
        return [line for line in self.decisions if line.lapsed]
