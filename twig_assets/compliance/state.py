"""The state of a candidate: the one rule that gate, sensor, report, command line and lineage go by.

It follows from rows alone and is the same wherever it is asked for, so that the report cannot say of an image what the
gate does not do with it. A prompt's candidate is the best of all its attempts, so that a new attempt never costs what
an earlier one had reached.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

ReleaseTerms = Literal["as_asked", "waived", "cannot_tell", "unjudged", "withdraw"]


class CandidateState(StrEnum):
    """Where the image stands that a prompt would be published with, under the rules in force."""

    MISSING = "missing"
    """No image has been made under the model and settings in force."""

    UNAUDITED = "unaudited"
    """The image lacks a verdict on its similarity or on its adherence. A published one stays published meanwhile."""

    FAILED = "failed"
    """No image is both safe and as asked, nobody waived that, and another attempt is due."""

    QUARANTINED = "quarantined"
    """All images are too similar to a protected work, nobody waived that, and all attempts are spent."""

    REVIEW = "review"
    """A person has to decide: no image is both safe and as asked, but none that is left fails."""

    REJECTED = "rejected"
    """A person said no to an image that did not fail, and nobody lifted that. No other attempt is due."""

    INCOMPLETE = "incomplete"
    """The image complies, but a work was not compared with it, and nobody accepted that. It is not published."""

    RELEASABLE = "releasable"
    """The image passed, shows its prompt and nobody rejected it, or a person let it through; it is not published."""

    RELEASED = "released"
    """The image may be published, as above, and its release stands."""

    @property
    def may_be_published(self) -> bool:
        """Whether the image complies with the rules in force, or a person let it through."""
        return self in (CandidateState.RELEASABLE, CandidateState.RELEASED)


@dataclass(frozen=True)
class Standing:
    """An image of a prompt under the rules in force.

    Attributes:
        image_id: Its row.
        attempt: The attempt that it was drawn at, from 0.
        verdict: `pass`, `review`, `fail` or `inconclusive` under the policy and corpus in force; None without an audit.
        adherence: `as_asked`, `not_as_asked` or `cannot_tell` by the judge and threshold in force; None if not judged.
        decision: `waive` or `reject`: what people's decisions come to; None without one that holds. A rejection holds
            without verdicts too.
        similarity: Its SSIM to the nearest work, -1 to 1; None where that could not be said.
        released: Whether a release of this very image stands.
    """

    image_id: int
    attempt: int
    verdict: str | None
    adherence: str | None
    decision: str | None = None
    similarity: float | None = None
    released: bool = False

    @property
    def judged(self) -> bool:
        """Whether it has both verdicts."""
        return self.verdict is not None and self.adherence is not None

    @property
    def awaits_verdicts(self) -> bool:
        """Whether what becomes of it hangs on a verdict that it lacks."""
        return not self.judged and self.decision != "reject"

    def acceptable(self, cannot_tell: bool) -> bool:
        """Whether it may be published.

        Args:
            cannot_tell: Whether the campaign releases images whose prompts the judge does not know.
        """
        if not self.judged or self.decision is not None:
            return self.judged and self.decision == "waive"
        wanted = ("as_asked", "cannot_tell") if cannot_tell else ("as_asked",)
        return self.verdict == "pass" and self.adherence in wanted

    @property
    def better_drawn_again(self) -> bool:
        """Whether another attempt may do better than a person's look at this one."""
        return self.verdict in ("fail", "review") or (self.verdict == "pass" and self.adherence == "not_as_asked")

    @property
    def _rank(self) -> tuple[object, ...]:
        """Orders images that may not be published: what a person could most readily let through comes first."""
        rejected, failed = self.decision == "reject", self.verdict == "fail"
        similar = ("pass", "review", "inconclusive", "fail", None).index(self.verdict)
        wrong = ("as_asked", "cannot_tell", "not_as_asked", None).index(self.adherence)
        return failed, rejected, similar, wrong, *self._order

    @property
    def _order(self) -> tuple[float, int]:
        """Least similar first; of equals, and where nobody could say, the newest."""
        return (1.0 if self.similarity is None else self.similarity), -self.attempt


def release_terms(state: CandidateState, decision: str | None, adherence: str | None) -> ReleaseTerms:
    """On what terms an image is published, or would be.

    Args:
        state: Its state by itself.
        decision: `waive` or `reject`: the decision that holds for it; None without one.
        adherence: Its verdict on adherence; None if it has none.

    Returns:
        `as_asked` where it passed the audit and shows its prompt, `waived` where a person let it through, `cannot_tell`
        where the policy releases what the judge cannot judge, `unjudged` where a verdict in force is missing, and
        `withdraw` where it complies no longer.
    """
    if state == CandidateState.UNAUDITED:
        return "unjudged"
    if not state.may_be_published:
        return "withdraw"
    if decision == "waive":
        return "waived"
    return "as_asked" if adherence == "as_asked" else "cannot_tell"


_WRONG = {"not_as_asked": "does not show its prompt", "cannot_tell": "nobody here can tell whether it shows its prompt"}


def why_not(standing: Standing) -> str:
    """Why an image may not be published, in a word or a few."""
    if standing.decision == "reject":
        return "rejected by a person"
    if standing.verdict is None or standing.adherence is None:
        return "not audited" if standing.verdict is None else "not judged"
    return standing.verdict if standing.verdict != "pass" else _WRONG.get(standing.adherence, "complies")


def candidate_state(
    standings: Iterable[Standing],
    *,
    cannot_tell: bool,
    max_attempts: int,
    lost_attempts: int = 3,
    complete: bool = True,
    asked_for: int | None = None,
) -> tuple[Standing | None, CandidateState]:
    """Choose a prompt's candidate of all its images, and work out its state.

    An image that is published stays the candidate until it has both verdicts, unless a person rejected it.
    Otherwise one that may be published comes before all others: the one that is published already, then one that
    needed no person, then the least similar. Without one, the newest image that was not judged yet is the
    candidate, and after that the one that a person could most readily let through. A person's decision comes before
    the verdicts, with one exception: an image that failed is drawn again, or is quarantined, whether or not a
    person rejected it besides.

    Args:
        standings: The prompt's images that count under the rules in force.
        cannot_tell: Whether the campaign releases images whose prompts the judge does not know.
        max_attempts: How many attempts the campaign allows, at least 1.
        lost_attempts: How many images that pass may fail to show the prompt before a person is asked, at least 1.
        complete: Whether every work was compared, or does not have to be. If not, what is published stays so, and
            nothing else is published.
        asked_for: The attempt, from 0, that a person asked to be drawn besides; None where nobody did. It is due until
            it is there, as long as no image may be published.

    Returns:
        The candidate, None if there is no image, and its state.
    """
    images = list(standings)
    if not images:
        return None, CandidateState.MISSING
    for image in images:
        if image.released and image.awaits_verdicts:
            return image, CandidateState.UNAUDITED
    accepted = [image for image in images if image.acceptable(cannot_tell)]
    if accepted:
        best = min(accepted, key=lambda image: (not image.released, image.decision is not None, image._order))
        if best.released:
            return best, CandidateState.RELEASED
        return best, CandidateState.RELEASABLE if complete else CandidateState.INCOMPLETE
    unjudged = [image for image in images if image.awaits_verdicts]
    if unjudged:
        return max(unjudged, key=lambda image: image.attempt), CandidateState.UNAUDITED
    best = min(images, key=lambda image: image._rank)
    lost = sum(image.verdict == "pass" and image.adherence == "not_as_asked" for image in images)
    newest = max(image.attempt for image in images)
    if asked_for is not None and asked_for > newest:
        return best, CandidateState.FAILED
    attempts_left = newest + 1 < max_attempts
    return best, _held(best, attempts_left and lost < lost_attempts)


def _held(best: Standing, attempts_left: bool) -> CandidateState:
    if best.decision == "reject" and best.verdict != "fail":
        return CandidateState.REJECTED
    if best.better_drawn_again and attempts_left:
        return CandidateState.FAILED
    return CandidateState.QUARANTINED if best.verdict == "fail" else CandidateState.REVIEW
