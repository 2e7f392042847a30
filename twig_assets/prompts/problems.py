"""What is wrong with an input file, collected so that a person can mend all of it at once."""


class PromptError(ValueError):
    """Prompt or concept files that cannot be used; the message has one line per problem.

    Attributes:
        problems: Each reads `file:line: field: what is wrong, what to do`.
    """

    def __init__(self, problems: list[str]) -> None:
        """Join the problems into one message."""
        super().__init__("\n".join(problems))
        self.problems = problems


class Problems:
    """Problems found so far."""

    def __init__(self) -> None:
        """Start with none."""
        self.found: list[str] = []

    def add(self, file: str, line: int | None, field: str, text: str) -> None:
        """Note one problem; `line` counts from 1 and is None for the file as a whole."""
        place = file if line is None else f"{file}:{line}"
        self.found.append(f"{place}: {field}: {text}")

    def raise_if_any(self) -> None:
        """Raise PromptError when there are problems."""
        if self.found:
            raise PromptError(self.found)
