"""What the desk shows of one image: the works beside it, every score beside its threshold, attempts and history."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign.rules_in_force import Rules
from twig_assets.catalog.models import (
    Adherence,
    Audit,
    AuditMatch,
    Image,
    Mask,
    Model,
    Prompt,
    PromptBatch,
    Release,
    Review,
)
from twig_assets.compliance.candidates import PromptState, Verdicts, counting, prompt_states, verdicts_in_force
from twig_assets.compliance.decisions import Decided, decided, reviews_of
from twig_assets.compliance.held import Held, held
from twig_assets.reports.render import turn
from twig_assets.similarity import detector_scores, limits
from twig_assets.similarity.allowed import ALLOWED
from twig_assets.similarity.verdicts.naming import title_of, unit_of
from twig_assets.similarity.verdicts.rule import BORNE_OUT_BY


@dataclass(frozen=True)
class ScoreLine:
    """A score beside its threshold, in words.

    Attributes:
        name: What it is called.
        unit: What it counts.
        value: The score; None where there is none.
        threshold: What it says of the threshold.
        reached: Whether it speaks against the image.
    """

    name: str
    unit: str
    value: float | None
    threshold: str
    reached: bool


@dataclass(frozen=True)
class Attempt:
    """Another image of the prompt.

    Attributes:
        image: The image.
        words: What it is and what was found.
        candidate: Whether it is the one that would be published.
        may_be_candidate: Whether it counts under the rules in force, and has a verdict.
        seen: Id of the newest decision about it, 0 for none.
    """

    image: Image
    words: str
    candidate: bool
    may_be_candidate: bool
    seen: int


@dataclass(frozen=True)
class ImageView:
    """All that a person needs to decide about a prompt's image.

    Attributes:
        prompt: The prompt.
        image: The image.
        state: Where the prompt stands.
        held: Why it is not published and what to do; None where it is.
        audit: The audit in force.
        adherence: The verdict of the judge in force.
        matches: The works nearest to it, the one that the verdict rests on first.
        scores: Every score beside its threshold.
        likeness: Why it matches the first of these works, or what is most alike, a sentence each.
        features: How many local features say how that work lies on the image; 0 where none do.
        allowed: What its audit left out, since it is allowed; a sentence each.
        attempts: All images of the prompt that count, first ones too.
        mask: The newest mask of its first image.
        decided: What people's decisions come to.
        reviews: All decisions about it, the oldest first.
        releases: Its releases and withdrawals.
        seen: Id of the newest decision, 0 for none.
    """

    prompt: Prompt
    image: Image
    state: PromptState
    held: Held | None
    audit: Audit | None
    adherence: Adherence | None
    matches: list[AuditMatch]
    scores: list[ScoreLine]
    likeness: list[str]
    features: int
    allowed: list[str]
    attempts: list[Attempt]
    mask: Mask | None
    decided: Decided
    reviews: list[Review]
    releases: list[Release]
    seen: int


def image_view(session: Session, campaign: str, rules: Rules, prompt_id: int, sha256: str) -> ImageView | None:
    """Gather what there is about an image of a prompt; None if the campaign has no such image.

    Args:
        session: An open session.
        campaign: The campaign's name.
        rules: The rules in force.
        prompt_id: The prompt.
        sha256: The beginning of the image's hash.
    """
    of_prompt = select(Image).join(Prompt).join(PromptBatch).where(PromptBatch.campaign == campaign)
    wanted = of_prompt.where(Image.prompt_id == prompt_id, Image.sha256.startswith(sha256, autoescape=True))
    image = session.scalars(wanted.order_by(Image.id.desc())).first()
    if image is None:
        return None
    prompt = image.prompt
    [state] = [s for s in prompt_states(session, prompt.batch_key, rules) if s.prompt.id == prompt.id]
    images = list(session.scalars(select(Image).where(Image.prompt_id == prompt.id).order_by(Image.id)))
    verdicts = verdicts_in_force(session, [one.id for one in images], rules)
    audit, adherence = verdicts.audits.get(image.id), verdicts.adherence.get(image.id)
    ids = select(Image.id).join(Model).where(Image.prompt_id == prompt.id, counting(rules))
    counted = set(session.scalars(ids))
    reviews = reviews_of(session, Image.id == image.id).get(image.id, [])
    masks = select(Mask).where(
        Mask.image_id.in_([i for i in (image.parent_id, image.id) if i]), Mask.sha256.is_not(None)
    )
    return ImageView(
        prompt=prompt,
        image=image,
        state=state,
        held=held(session, campaign, [state], rules).get(prompt.id),
        audit=audit,
        adherence=adherence,
        matches=(matches := _matches(audit)),
        scores=_scores(audit),
        likeness=_likeness(audit, matches[0]) if audit and matches else [],
        features=int(matches[0].scores.get("sift_inliers") or 0) if matches else 0,
        allowed=[reason.removeprefix(ALLOWED) for reason in audit.reasons if reason.startswith(ALLOWED)]
        if audit
        else [],
        attempts=[_attempt(one, verdicts, one.id in counted, state) for one in images],
        mask=session.scalars(masks.order_by(Mask.id.desc())).first(),
        decided=decided(reviews, audit, rules.approvals),
        reviews=reviews,
        releases=list(session.scalars(select(Release).where(Release.image_id == image.id).order_by(Release.id))),
        seen=reviews[-1].id if reviews else 0,
    )


def _matches(audit: Audit | None) -> list[AuditMatch]:
    if audit is None:
        return []
    nearest = audit.nearest_reference_id
    return sorted(audit.matches, key=lambda match: (match.reference_id != nearest, match.rank))


def _likeness(audit: Audit, match: AuditMatch) -> list[str]:
    """Why an image matches a work, in words."""
    scores, title = match.scores, match.reference.title
    copied = [str(way) for way in scores.get("copied") or ()]
    sentences = [f"It looks like a copy of {title!r}: {', '.join(copied)}."] if copied and scores.get("fired") else []
    for detector in detector_scores(scores, audit.thresholds):
        if detector.reached:
            sentence = detector.detector.sentence(scores, detector.threshold)
            sentences.append(f"{sentence[:1].upper()}{sentence[1:]}.")
    for limit in limits(audit.thresholds):
        if limit.score in BORNE_OUT_BY and limit.near(scores.get(limit.score)):
            informed = scores.get(BORNE_OUT_BY[limit.score])
            where = "inside the mask" if limit.score.startswith("masked") else "as a whole"
            borne = "" if informed is None else f", and {informed:.2f} where there is something to see"
            sentences.append(f"The two are alike {where} by {scores[limit.score]:.2f}{borne}; 1 is the same picture.")
    if not sentences:
        sentences.append(f"No score comes near its threshold; {title!r} is the work that is most alike.")
    if match.transform != "identity":
        sentences.append(f"They are most alike when the work is {turn(match.transform)}.")
    return sentences


def _scores(audit: Audit | None) -> list[ScoreLine]:
    if audit is None:
        return []
    lines = []
    for limit in limits(audit.thresholds):
        value = audit.scores.get(limit.score)
        if limit.value is None:
            lines.append(ScoreLine(title_of(limit.score), unit_of(limit.score), value, "turned off", False))
            continue
        words = f"fails {'from' if limit.direction == '>=' else 'up to'} {limit.value:g}"
        if limit.margin:
            words += f", is looked at from {limit.value - limit.margin:g}"
        if limit.support is not None:
            words += f", if {title_of(limit.support.score)} is {limit.support.value:g} or more"
        reached = limit.reached(value) and limit.supported(audit.scores)
        lines.append(ScoreLine(title_of(limit.score), unit_of(limit.score), value, words, reached))
    return lines


def _attempt(image: Image, verdicts: Verdicts, counts: bool, state: PromptState) -> Attempt:
    audit, adherence = verdicts.audits.get(image.id), verdicts.adherence.get(image.id)
    what = "first image" if image.stage == "generated" else f"attempt {image.attempt + 1}"
    said = [what, audit.verdict if audit else "no audit in force"]
    if adherence is not None:
        said.append(adherence.verdict.replace("_", " "))
    newest = verdicts.decided(image.id).newest
    candidate = state.candidate is not None and state.candidate.id == image.id
    return Attempt(image, ", ".join(said), candidate, counts and audit is not None, newest.id if newest else 0)
