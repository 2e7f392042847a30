"""That nobody judges a model's images, in the place of a judge."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Unjudged:
    """Stands where a judge would.

    Attributes:
        reason: Why there is none and what to do, for people; a sentence's end.
    """

    reason: str = "nobody judges what this checkpoint draws; name a judge (a CLIP or SigLIP), as `judge`"
