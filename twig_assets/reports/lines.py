"""The prompts of a report, in a file that is read as they are shown, so that memory does not grow with the campaign."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Generic, TypeVar, overload

from twig_assets.reports.data import Caught, Ended, PromptLine, Released, Scored, Summary

T = TypeVar("T")

_IN_MEMORY = 4 << 20
# What is published, the most urgent first.
_URGENCY = ("withdraw", "unjudged", "cannot_tell", "waived", "as_asked")
_HELD = ("waiting", "quarantined", "rejected")


@dataclass(frozen=True)
class Place:
    """Where a prompt's line is, and what orders it.

    Attributes:
        offset: Of its first byte in the file.
        size: Its bytes.
        outcome: See `PromptLine`.
        urgency: Of what is published, 0 the most urgent; None if nothing is.
        similarity: SSIM of what is published; -2 where nobody could say, so that it sorts last.
        caught: How many groups of failed images it has, see `Caught`.
        named: Whether it named something protected.
        ended: When images of it were withdrawn, as timestamps.
    """

    offset: int
    size: int
    outcome: str
    urgency: int | None
    similarity: float
    caught: int
    named: bool
    ended: tuple[float, ...]


class LineFile:
    """Prompt lines one after the other, as JSON, in a temporary file that goes with this object."""

    def __init__(self) -> None:
        """Begin an empty file; the first megabytes stay in memory."""
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self.places: list[Place] = []

    def add(self, line: PromptLine) -> None:
        """Append a line."""
        content = line.model_dump_json().encode()
        offset = self._file.seek(0, 2)
        self._file.write(content)
        one = line.published
        self.places.append(
            Place(
                offset=offset,
                size=len(content),
                outcome=line.outcome,
                urgency=_URGENCY.index(one.terms) if one else None,
                similarity=-2.0 if one is None or one.image.ssim is None else one.image.ssim,
                caught=len(caught_of(line)),
                named=bool(line.named),
                ended=tuple(release.withdrawn_at.timestamp() for release in line.ended),
            )
        )

    def content(self, place: Place) -> bytes:
        """A line's JSON."""
        self._file.seek(place.offset)
        return self._file.read(place.size)

    def line(self, place: Place) -> PromptLine:
        """A line."""
        return PromptLine.model_validate_json(self.content(place))


class Items(Sequence[T], Generic[T]):
    """Parts of prompt lines, each read from the file when it is asked for."""

    def __init__(
        self, lines: LineFile, places: Sequence[tuple[Place, int]], parts: Callable[[PromptLine], Sequence[T]]
    ) -> None:
        """Name parts of lines.

        Args:
            lines: The file.
            places: Line and number of the part in it, for every item.
            parts: All parts of a line.
        """
        self._lines, self._places, self._parts = lines, places, parts

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> "Items[T]": ...
    def __getitem__(self, index: int | slice) -> "T | Items[T]":
        if isinstance(index, slice):
            return Items(self._lines, self._places[index], self._parts)
        place, number = self._places[index]
        return self._parts(self._lines.line(place))[number]

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[T]:
        return (self[i] for i in range(len(self)))


@dataclass(frozen=True)
class ReportData:
    """Everything that a report says.

    Attributes:
        summary: What it says of the campaign as a whole.
        lines: What it says of every prompt.
    """

    summary: Summary
    lines: LineFile = field(default_factory=LineFile)

    @property
    def prompts(self) -> Items[PromptLine]:
        """Every prompt, in order of batch and position."""
        return self._whole(self.lines.places)

    @property
    def held(self) -> Items[PromptLine]:
        """The prompts that wait for a person, then those that are withheld."""
        held = [place for place in self.lines.places if place.outcome in _HELD]
        return self._whole(sorted(held, key=lambda place: _HELD.index(place.outcome)))

    @property
    def named(self) -> Items[PromptLine]:
        """The prompts that named something protected."""
        return self._whole([place for place in self.lines.places if place.named])

    @property
    def released(self) -> Items[Released]:
        """What is published: what is out on other terms than `as_asked` first, then what is nearest to a work."""
        out = [(place.urgency, -place.similarity, place) for place in self.lines.places if place.urgency is not None]
        places = [(place, 0) for _, _, place in sorted(out, key=lambda one: one[:2])]
        return Items(self.lines, places, lambda line: [line.published] if line.published else [])

    @property
    def ended(self) -> Items[Ended]:
        """What was published and is not any more, the newest withdrawal first."""
        ended = [(-when, place, i) for place in self.lines.places for i, when in enumerate(place.ended)]
        return Items(self.lines, [(p, i) for _, p, i in sorted(ended, key=lambda one: one[0])], lambda line: line.ended)

    @property
    def caught(self) -> Items[Caught]:
        """The images that failed, in groups."""
        return Items(self.lines, [(p, i) for p in self.lines.places for i in range(p.caught)], caught_of)

    def _whole(self, places: Sequence[Place]) -> Items[PromptLine]:
        return Items(self.lines, [(place, 0) for place in places], lambda line: [line])


def caught_of(line: PromptLine) -> list[Caught]:
    """The failed images of a prompt, those that resemble the same work together."""
    failed = [image for image in line.images if image.verdict == "fail"]
    failed.sort(key=lambda image: (_nearest_title(image), image.stage != "generated", image.attempt))
    caught = []
    for _, group in groupby(failed, key=_nearest_title):
        images = list(group)
        caught.append(Caught(prompt=line.text, outcome=line.outcome, nearest=images[0].nearest, images=images))
    return caught


def _nearest_title(image: Scored) -> str:
    return image.nearest.title if image.nearest else ""
