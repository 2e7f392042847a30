"""Which score each threshold of a policy limits, and in which direction."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Direction = Literal[">=", "<="]

_SUFFIXES: dict[str, Direction] = {"_threshold": ">=", "_at_least": ">=", "_at_most": "<="}


class Limit(NamedTuple):
    """A threshold.

    Attributes:
        field: Its name in the policy.
        score: The score it limits, as an audit's `scores` name it.
        direction: An image fails when its score is `>=` or `<=` this.
        value: The threshold; None when it is turned off.
    """

    field: str
    score: str
    direction: Direction
    value: float | None

    def reached(self, score: float | None) -> bool:
        """Whether a score is as bad as that; False for one that was not computed, or a threshold turned off."""
        if score is None or self.value is None:
            return False
        return score >= self.value if self.direction == ">=" else score <= self.value


def limits(thresholds: Mapping[str, Any]) -> list[Limit]:
    """The thresholds among a policy's fields, in order; a field's name says score and direction.

    Args:
        thresholds: Field -> value, as in an audit's `thresholds` or `Policy.model_dump()`.
    """
    found = []
    for field, value in thresholds.items():
        for suffix, direction in _SUFFIXES.items():
            if field.endswith(suffix):
                found.append(Limit(field, field.removesuffix(suffix), direction, value))
    return found
