"""How an image compares with what was asked for."""

from dataclasses import dataclass
from typing import Any

from twig_assets.judge.vocabulary import Asked


@dataclass(frozen=True)
class Shown:
    """How an image compares with what was asked for.

    Attributes:
        asked: What was asked for.
        own: Cosine of the image and the best caption of what was asked for, of several subjects the lowest; None where
            the judge does not know what was asked for. So are the others.
        other: The same for what is nearest of everything else.
        taken_for: The subject that the image is nearest to, whether or not it was asked for.
    """

    asked: Asked
    own: float | None = None
    other: float | None = None
    taken_for: str | None = None

    @property
    def margin(self) -> float | None:
        """`own` less `other`, -2 to 2."""
        return None if self.own is None or self.other is None else self.own - self.other

    def as_scores(self) -> dict[str, Any]:
        """The same as JSON, to be kept and read back by `of_scores`."""
        return {
            "subjects": list(self.asked.subjects),
            "unknown": self.asked.reason,
            "own": self.own,
            "other": self.other,
            "taken_for": self.taken_for,
        }

    @staticmethod
    def of_scores(scores: dict[str, Any]) -> "Shown":
        """The reverse of `as_scores`."""
        asked = Asked(tuple(scores["subjects"]), scores["unknown"])
        return Shown(asked, scores["own"], scores["other"], scores["taken_for"])
