"""What is said of an element that may be shown: which parts of a work, until when. It needs no catalog."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

from twig_assets.similarity.allowed import Part

MOST_PARTS = 16


class AllowedElementError(ValueError):
    """An element that cannot be written down; the message says what to give instead."""


def checked_parts(parts: Iterable[Sequence[float]]) -> tuple[Part, ...]:
    """Parts that lie on a picture.

    Raises:
        AllowedElementError: If one does not, or there are too many.
    """
    checked: list[Part] = []
    for part in parts:
        numbers = [float(number) for number in part]
        if len(numbers) != 4 or not all(math.isfinite(number) for number in numbers):
            raise AllowedElementError(f"part: {list(part)} is not x, y, width and height")
        x, y, width, height = (round(number, 6) for number in numbers)
        if min(x, y) < 0 or width <= 0 or height <= 0 or max(x + width, y + height) > 1.000001:
            raise AllowedElementError(f"part: {list(part)} does not lie on the work; give shares from 0 to 1")
        checked.append((x, y, width, height))
    if len(checked) > MOST_PARTS:
        raise AllowedElementError(f"part: {len(checked)} are too many; give {MOST_PARTS} at most, or the whole work")
    return tuple(checked)


def all_but(part: Part) -> tuple[Part, ...]:
    """What of a picture lies outside a rectangle: up to four parts, such as a frame."""
    x, y, width, height = part
    right, bottom = x + width, y + height
    around = ((0.0, 0.0, 1.0, y), (0.0, bottom, 1.0, 1 - bottom), (0.0, y, x, height), (right, y, 1 - right, height))
    return tuple(piece for piece in around if piece[2] > 1e-6 and piece[3] > 1e-6)


def checked_day(until: str | None) -> str | None:
    """A last day that is still to come, as YYYY-MM-DD; None for none.

    Raises:
        AllowedElementError: If it is no day, or over.
    """
    if not until:
        return None
    try:
        day = date.fromisoformat(until)
    except ValueError as error:
        raise AllowedElementError(f"until: {until!r} is no day; write it like 2027-12-31") from error
    if day < datetime.now(UTC).date():
        raise AllowedElementError(f"until: {day} is over already; give a day to come, or none")
    return day.isoformat()


def in_words(
    title: str, parts: Sequence[Sequence[float]], kind: str, until: str | None, scope: str, who: str, why: str
) -> str:
    """See `described`; `scope` is empty or begins with a comma."""
    where = "the whole of" if not parts else f"{parts_in_words(parts)} of"
    end = f" until {until}" if until else ""
    return f"{where} {title!r} ({kind}{end}{scope}, by {who}: {why})"


def parts_in_words(parts: Sequence[Sequence[float]]) -> str:
    """Where parts lie, in percent from the left and from the top."""
    words = [
        f"{x:.0%} to {x + width:.0%} from the left and {y:.0%} to {y + height:.0%} from the top"
        for x, y, width, height in parts
    ]
    return f"the part {words[0]}" if len(words) == 1 else f"{len(words)} parts ({'; '.join(words)})"
