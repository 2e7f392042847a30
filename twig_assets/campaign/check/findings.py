"""What a check found."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Checked:
    """What a check found, in the order in which it looked.

    Attributes:
        problems: What has to be mended before the campaign can run, a line each, with what to do.
        notes: What a person should know, a line each.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def collecting(self, place: str = "") -> Iterator[None]:
        """Turn an error of the project's own, or of a value, that ends the block into problems; others are bugs.

        Args:
            place: Put before the message where that does not say itself which file and field it is about.
        """
        try:
            yield
        except Exception as error:
            own = type(error).__module__.startswith("twig_assets.")
            if not own and not isinstance(error, ValueError | OSError):
                raise
            self.add(f"{place}{error}")

    def add(self, problem: Exception | str) -> None:
        """Add a problem: each line of a message once."""
        self.problems += [line for line in str(problem).splitlines() if line and line not in self.problems]
