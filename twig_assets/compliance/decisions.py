"""What people's decisions about an image come to under the rules in force.

A rejection is about the image itself: it stands until a person lifts it, whatever becomes of policy, corpus, candidate
or library versions. A waiver is about the image beside the works behind its verdict, under one policy: when these
change it lapses, and then the verdict decides again. Decisions are rows that are only ever added, so all of this
follows from them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, contains_eager

from twig_assets.catalog.among import among
from twig_assets.catalog.models import Audit, Image, Prompt, PromptBatch, Review
from twig_assets.similarity import is_behind

Decision = Literal["waive", "reject", "lift"]


@dataclass(frozen=True)
class Decided:
    """What the decisions about an image come to.

    Attributes:
        decision: `waive` or `reject`, if one of these holds; None otherwise.
        by: The rows that it rests on, the newest last: one rejection, or as many waivers as the policy asks for.
        waiting: Waivers that hold, while more people have to agree.
        lapsed: Waivers that let the image through once and hold no longer, each with the reason.
        newest: The newest row about the image, whatever it comes to; None if nobody has decided anything.
    """

    decision: Literal["waive", "reject"] | None
    by: tuple[Review, ...] = ()
    waiting: tuple[Review, ...] = ()
    lapsed: tuple[tuple[Review, str], ...] = ()
    newest: Review | None = None

    @property
    def review(self) -> Review | None:
        """The newest row that the decision rests on."""
        return self.by[-1] if self.by else None

    @property
    def who(self) -> str:
        """The people whose decision it is."""
        return " and ".join(people(self.by))


UNDECIDED = Decided(None)


def decided(reviews: Sequence[Review], audit: Audit | None, approvals: int) -> Decided:
    """What decisions come to.

    Args:
        reviews: All decisions about the image, the oldest first.
        audit: The audit in force; None without one. No waiver holds then, and none has lapsed.
        approvals: How many different people have to let it through.
    """
    newest = reviews[-1] if reviews else None
    rejection: Review | None = None
    waivers: list[Review] = []
    complete = False
    for review in reviews:
        if review.decision == "waive":
            waivers.append(review)
            agreed = [waiver for waiver in waivers if holds(waiver, review.audit)]
            if len(people(agreed)) >= approvals:
                rejection, complete = None, True
            continue
        rejection = review if review.decision == "reject" else None
        waivers, complete = [], False
    if rejection is not None:
        return Decided("reject", (rejection,), waiting=_holding(waivers, audit), newest=newest)
    holding = _holding(waivers, audit)
    if len(people(holding)) >= approvals:
        return Decided("waive", holding, newest=newest)
    lapsed = [(waiver, why_lapsed(waiver, audit)) for waiver in waivers if audit and not holds(waiver, audit)]
    return Decided(None, waiting=holding, lapsed=tuple(lapsed) if complete else (), newest=newest)


def reviews_of(session: Session, *which: ColumnElement[bool]) -> dict[int, list[Review]]:
    """The decisions about images, the oldest first. The same picture drawn again in its campaign shares them.

    Args:
        session: An open session.
        which: Conditions on `Image` and `PromptBatch` that choose the images.

    Returns:
        Image id -> decisions, for those that have one.
    """
    reviewed = select(Image.sha256).join(Audit).join(Review)
    images = select(Image.id, PromptBatch.campaign, Image.sha256).join(Prompt, Image.prompt_id == Prompt.id)
    rows = session.execute(images.join(PromptBatch).where(Image.sha256.in_(reviewed), *which)).all()
    about = select(PromptBatch.campaign, Image.sha256, Review).select_from(Review).join(Audit).join(Image)
    about = about.join(Prompt).join(PromptBatch).order_by(Review.id)
    pictures = {sha256 for _, _, sha256 in rows}
    about = about.where(among(Image.sha256, pictures))
    whole = contains_eager(Review.audit).contains_eager(Audit.image).contains_eager(Image.prompt)
    made: dict[tuple[str, str], list[Review]] = defaultdict(list)
    for campaign, sha256, review in session.execute(about.options(whole)) if rows else ():
        made[campaign, sha256].append(review)
    return {image_id: made[campaign, sha256] for image_id, campaign, sha256 in rows if (campaign, sha256) in made}


def holds(waiver: Review, audit: Audit) -> bool:
    """Whether a waiver, perhaps given beside an earlier audit, holds beside this one.

    It does for the audit that it was given beside, and for later ones of the same picture under the same policy as long
    as no further work is behind the verdict. So it outlives a corpus that grows by works that the image is unlike.
    """
    return waiver.audit_id == audit.id or not why_lapsed(waiver, audit)


def why_lapsed(waiver: Review, audit: Audit) -> str:
    """Why a waiver does not hold beside an audit, for a person; empty where it does."""
    about = waiver.audit
    if about.id == audit.id:
        return ""
    if about.image.sha256 != audit.image.sha256:
        return "it was for another picture"
    if about.policy_id != audit.policy_id:
        return "the policy has changed since"
    further = behind(audit) - behind(about)
    if further:
        titles = [match.reference.title for match in audit.matches if match.reference_id in further]
        return f"a further work is behind the verdict since: {', '.join(titles) or 'its title is not known'}"
    if about.nearest_reference_id != audit.nearest_reference_id:
        return "another work is the nearest since"
    return ""


def behind(audit: Audit) -> set[int]:
    """The references that an audit's verdict rests on, the nearest always among them."""
    nearest = {audit.nearest_reference_id} if audit.nearest_reference_id is not None else set()
    return nearest | {m.reference_id for m in audit.matches if is_behind(m.scores, audit.thresholds, audit.verdict)}


def people(reviews: Iterable[Review]) -> list[str]:
    """The different people who made decisions, in order; names that differ in case and spaces only are one person's."""
    return list({" ".join(review.who.split()).casefold(): review.who for review in reversed(list(reviews))}.values())[
        ::-1
    ]


def _holding(waivers: Iterable[Review], audit: Audit | None) -> tuple[Review, ...]:
    return tuple(waiver for waiver in waivers if audit is not None and holds(waiver, audit))
