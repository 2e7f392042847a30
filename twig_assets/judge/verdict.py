"""The verdict on adherence, from a margin and a threshold: the one rule, for new scores and for stored ones."""

from collections.abc import Sequence
from typing import Literal, get_args

AdherenceVerdict = Literal["as_asked", "not_as_asked", "cannot_tell"]
VERDICTS: tuple[AdherenceVerdict, ...] = get_args(AdherenceVerdict)


def adherence_verdict(margin: float | None, threshold: float | None) -> AdherenceVerdict:
    """Judge one image.

    Args:
        margin: By how much the image is nearer to what was asked for than to anything else that the judge can name, as
            a difference of cosines, -2 to 2; None where the judge does not know what was asked for.
        threshold: From which margin on the image shows it; None where no threshold could be calibrated.
    """
    if margin is None or threshold is None:
        return "cannot_tell"
    return "as_asked" if margin >= threshold else "not_as_asked"


def knows_the_model(margins: Sequence[float]) -> bool:
    """Whether the judge takes at least half of plain draws for what was asked for.

    Where it does not, judge and model do not know each other, and no threshold would mean anything.

    Args:
        margins: What the judge gave plain draws of prompts that it knows, at least one.
    """
    return sum(margin > 0 for margin in margins) >= len(margins) / 2


def threshold_of(margins: Sequence[float], reject_share: float) -> float:
    """The margin below which a share of plain draws lies, rounded so that it is the same wherever it is stored.

    Args:
        margins: What the judge gave plain draws of prompts that it knows, at least one.
        reject_share: The share, 0 to 1.
    """
    ordered = sorted(margins)
    return round(ordered[min(len(ordered) - 1, int(reject_share * len(ordered)))], 6)
