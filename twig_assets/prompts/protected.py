"""Protected terms in prompts, misspelled ones too: find them, and replace them by their anchors."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rapidfuzz import process
from rapidfuzz.distance import OSA

from twig_assets.english import article
from twig_assets.prompts.concept_files import ConceptRow
from twig_assets.prompts.prompt_files import PromptRow
from twig_assets.prompts.records import Problems
from twig_assets.settings.prompts import PromptCheckSettings

_WORD = re.compile(r"\w+")
_ARTICLE = re.compile(r"\b(an?|the)(\s+)$", re.IGNORECASE)


@dataclass(frozen=True)
class Term:
    """A protected term.

    Attributes:
        words: Its words.
        anchor: What may be drawn instead; None where the campaign names nothing.
    """

    words: str
    anchor: str | None = None


@dataclass(frozen=True)
class Finding:
    """A protected term in a prompt.

    Attributes:
        start: Index of its first character in the prompt.
        end: Index after its last character.
        written: The characters of the prompt from `start` to `end`.
        term: The protected term.
        errors: Letters that differ, 0 to 2.
    """

    start: int
    end: int
    written: str
    term: Term
    errors: int


@dataclass(frozen=True)
class CheckedPrompt:
    """A prompt after the check.

    Attributes:
        row: The prompt, rewritten where the campaign asks for it.
        findings: The protected terms that it had before.
    """

    row: PromptRow
    findings: tuple[Finding, ...]


def protected_terms(concepts: Iterable[ConceptRow], titles: Iterable[str]) -> list[Term]:
    """The targets and aliases of concepts with their anchors, and titles of works; a concept takes precedence."""
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
    spans = [match.span() for match in _WORD.finditer(text)]
    findings = []
    for first in range(len(spans)):
        for last in range(first, min(first + longest, len(spans))):
            start, end = spans[first][0], spans[last][1]
            near = process.extract(
                _letters(text[start:end]), keys, scorer=OSA.distance, score_cutoff=typing_errors, limit=8
            )
            for key, errors, i in near:
                if errors <= _allowed(key, typing_errors):
                    findings.append(Finding(start, end, text[start:end], terms[i], int(errors)))
    return _without_overlaps(findings)


def rewritten(text: str, findings: Sequence[Finding]) -> str:
    """The prompt with every finding replaced by its anchor, if it has one; `a` and `an` are adapted to the anchor."""
    for finding in reversed(findings):
        if finding.term.anchor is None:
            continue
        before, anchor = text[: finding.start], finding.term.anchor
        match = _ARTICLE.search(before)
        if match and (not anchor or _ARTICLE.match(anchor.split(" ", 1)[0] + " ")):
            before = before[: match.start()]
        elif match and match[1].lower() != "the":
            before = f"{before[: match.start()]}{article(anchor)}{match[2]}"
        text = f"{before}{anchor}{text[finding.end :]}"
    return " ".join(text.split())


def check_prompts(
    rows: Sequence[PromptRow], terms: Sequence[Term], settings: PromptCheckSettings | None = None
) -> list[CheckedPrompt]:
    """Check prompts for protected terms, and rewrite or refuse them as the settings say.

    Args:
        rows: The prompts.
        terms: What is protected.
        settings: What is done with a prompt that names it; the defaults when None.

    Raises:
        PromptError: With every prompt that is refused, as `file:line: text: what is wrong, what to do`.
    """
    settings = settings or PromptCheckSettings()
    problems = Problems()
    checked = []
    for row in rows:
        findings = find_protected(row.text, terms, settings.typing_errors)
        text = rewritten(row.text, findings) if settings.protected == "rewrite" else row.text
        remaining = find_protected(text, terms, settings.typing_errors) if findings else []
        if remaining and settings.protected != "warn":
            named = ", ".join(f"{finding.written!r} ({finding.term.words})" for finding in remaining)
            hint = "reword it, or set prompt_check: protected: warn"
            problems.add(str(row.file), row.line, "text", f"names what is protected: {named}; {hint}")
        checked.append(CheckedPrompt(replace(row, text=text), tuple(findings)))
    problems.raise_if_any()
    return checked


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in plain if char.isalnum())


def _allowed(key: str, most: int) -> int:
    return min(most, 0 if len(key) < 5 else 1 if len(key) < 10 else 2)


def _without_overlaps(findings: Sequence[Finding]) -> list[Finding]:
    """Keep of overlapping findings the one with the fewest errors, then the longest, then the first."""
    kept: list[Finding] = []
    for finding in sorted(findings, key=lambda f: (f.errors, f.start - f.end, f.start)):
        if all(finding.end <= other.start or other.end <= finding.start for other in kept):
            kept.append(finding)
    return sorted(kept, key=lambda f: f.start)
