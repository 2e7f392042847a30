"""The state of a candidate: the one rule that gate, sensor, report, command line and lineage go by.

It follows from rows alone and is the same wherever it is asked for, so that the report cannot say of an image what the
gate does not do with it.
"""

from enum import StrEnum


class CandidateState(StrEnum):
    """Where the image stands that a prompt would be published with, under the rules in force."""

    MISSING = "missing"
    """No image has been made under the model and settings in force."""

    UNAUDITED = "unaudited"
    """The image has no verdict under the policy and corpus in force. A published one stays published meanwhile."""

    FAILED = "failed"
    """The image is too similar to a protected work, nobody waived that, and another attempt is due."""

    QUARANTINED = "quarantined"
    """The image is too similar to a protected work, nobody waived that, and all attempts are spent."""

    REVIEW = "review"
    """The verdict is `review` or `inconclusive`, and a person has to decide."""

    REJECTED = "rejected"
    """A person said no to an image that did not fail. It is not published, and no other attempt is due."""

    RELEASABLE = "releasable"
    """The image passed and nobody rejected it, or a person waived its verdict; it is not published yet."""

    RELEASED = "released"
    """The image may be published, as above, and its release stands."""

    @property
    def may_be_published(self) -> bool:
        """Whether the image complies with the rules in force, or a person let it through."""
        return self in (CandidateState.RELEASABLE, CandidateState.RELEASED)


def candidate_state(
    attempt: int | None, verdict: str | None, decision: str | None, *, released: bool, max_attempts: int
) -> CandidateState:
    """Work out the state of one image.

    A person's decision comes before the verdict, with one exception: an image that failed is drawn again, or is
    quarantined, whether or not a person rejected it besides.

    Args:
        attempt: The image's attempt, from 0; None if there is no image.
        verdict: `pass`, `review`, `fail` or `inconclusive` under the policy and corpus in force; None without an audit.
        decision: `waive` or `reject`: the newest decision that holds for that audit; None without one.
        released: Whether a release of this very image stands.
        max_attempts: How many attempts the campaign allows, at least 1.
    """
    if attempt is None:
        return CandidateState.MISSING
    if verdict is None:
        return CandidateState.UNAUDITED
    if decision == "waive" or (verdict == "pass" and decision is None):
        return CandidateState.RELEASED if released else CandidateState.RELEASABLE
    if verdict == "fail":
        return CandidateState.FAILED if attempt + 1 < max_attempts else CandidateState.QUARANTINED
    return CandidateState.REJECTED if decision == "reject" else CandidateState.REVIEW
