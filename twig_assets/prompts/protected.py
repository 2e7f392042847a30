"""Protected words in prompts, misspelled ones too: finding them, and putting the anchor in their place."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rapidfuzz import process
from rapidfuzz.distance import OSA

from twig_assets.english import article
from twig_assets.prompts.concept_files import ConceptRow
from twig_assets.prompts.problems import Problems
from twig_assets.prompts.prompt_files import PromptRow
from twig_assets.settings.prompts import PromptCheckSettings

_WORD = re.compile(r"\w+")
_ARTICLE = re.compile(r"\b(an?|the)(\s+)$", re.IGNORECASE)


@dataclass(frozen=True)
class Term:
    """Words that are protected.

    Attributes:
        words: The words.
        anchor: What may be drawn instead; None where nobody has said.
    """

    words: str
    anchor: str | None = None


@dataclass(frozen=True)
class Finding:
    """A protected term in a prompt.

    Attributes:
        start: First character of it in the prompt.
        end: The one after its last.
        written: How the prompt writes it.
        term: What it is.
        errors: Letters that differ.
    """

    start: int
    end: int
    written: str
    term: Term
    errors: int


@dataclass(frozen=True)
class CheckedPrompt:
    """A prompt after the check: its row, perhaps rewritten, and what was found in it before."""

    row: PromptRow
    found: tuple[Finding, ...]


def protected_terms(concepts: Iterable[ConceptRow], titles: Iterable[str]) -> list[Term]:
    """The targets and aliases of concepts with their anchors, and titles of works; a concept counts before a title."""
    named = [(words, row.anchor) for row in concepts for words in (row.target, *row.aliases)]
    terms = {_letters(words): Term(words, anchor) for words, anchor in reversed(named)}
    for title in titles:
        terms.setdefault(_letters(title), Term(title))
    return [term for letters, term in terms.items() if letters]


def find_protected(text: str, terms: Sequence[Term], typing_errors: int = 2) -> list[Finding]:
    """Protected terms in a prompt, in order, none overlapping another.

    Case, accents, spaces and punctuation do not count, so `Police-Car` and `policecar` are found for `police car`.

    Args:
        text: The prompt.
        terms: What is protected.
        typing_errors: As in `PromptCheckSettings`; swapped neighbours are one error.
    """
    if not terms:
        return []
    keys = [_letters(term.words) for term in terms]
    longest = max(len(_WORD.findall(term.words)) for term in terms) + 1
    places = [match.span() for match in _WORD.finditer(text)]
    found = []
    for first in range(len(places)):
        for last in range(first, min(first + longest, len(places))):
            start, end = places[first][0], places[last][1]
            near = process.extract(
                _letters(text[start:end]), keys, scorer=OSA.distance, score_cutoff=typing_errors, limit=8
            )
            for key, errors, i in near:
                if errors <= _allowed(key, typing_errors):
                    found.append(Finding(start, end, text[start:end], terms[i], int(errors)))
    return _apart(found)


def rewritten(text: str, found: Sequence[Finding]) -> str:
    """The prompt with every finding that has an anchor replaced by it; its article follows the anchor."""
    for one in reversed(found):
        if one.term.anchor is None:
            continue
        before, anchor = text[: one.start], one.term.anchor
        written = _ARTICLE.search(before)
        if written and (not anchor or _ARTICLE.match(anchor.split(" ", 1)[0] + " ")):
            before = before[: written.start()]
        elif written and written[1].lower() != "the":
            before = f"{before[: written.start()]}{article(anchor)}{written[2]}"
        text = f"{before}{anchor}{text[one.end :]}"
    return " ".join(text.split())


def check_prompts(
    rows: Sequence[PromptRow], terms: Sequence[Term], settings: PromptCheckSettings | None = None
) -> list[CheckedPrompt]:
    """Pass prompts through the check.

    Raises:
        PromptError: With every prompt that is refused, as `file:line: text: what is wrong, what to do`.
    """
    settings = settings or PromptCheckSettings()
    problems = Problems()
    checked = []
    for row in rows:
        found = find_protected(row.text, terms, settings.typing_errors)
        text = rewritten(row.text, found) if settings.protected == "rewrite" else row.text
        left = find_protected(text, terms, settings.typing_errors) if found else []
        if left and settings.protected != "warn":
            named = ", ".join(f"{one.written!r} ({one.term.words})" for one in left)
            hint = "reword it, or set prompt_check: protected: warn"
            problems.add(str(row.file), row.line, "text", f"names what is protected: {named}; {hint}")
        checked.append(CheckedPrompt(replace(row, text=text), tuple(found)))
    problems.raise_if_any()
    return checked


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in plain if char.isalnum())


def _allowed(key: str, most: int) -> int:
    return min(most, 0 if len(key) < 5 else 1 if len(key) < 10 else 2)


def _apart(found: Sequence[Finding]) -> list[Finding]:
    """Of overlapping findings the one with the fewest errors, then the longest, then the first."""
    kept: list[Finding] = []
    for one in sorted(found, key=lambda f: (f.errors, f.start - f.end, f.start)):
        if all(one.end <= other.start or other.end <= one.start for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda f: f.start)
