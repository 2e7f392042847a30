"""What a judge can name, and which of it a prompt asks for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from twig_assets.english import with_article
from twig_assets.prompts import find_protected
from twig_assets.prompts.protected import Finding, Term

_TYPING_ERRORS = 2


@dataclass(frozen=True)
class Asked:
    """What a prompt asks for, as far as a judge knows it.

    Attributes:
        subjects: Its subjects, as the vocabulary calls them; empty where the judge knows none.
        reason: Why not; empty where there are some.
    """

    subjects: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True)
class Vocabulary:
    """The subjects that a judge can name.

    Attributes:
        subjects: Name of each subject -> other words for it.
        captions: What an image of a subject may be called, with `{subject}` in the place of its name and article.
        frame: Words that say how something is drawn, and not what: styles, colours, "background".
        known_from: Cosine of a prompt and a subject's nearest caption from which on the judge's text encoder reads the
            prompt as naming that subject. An invented title lies far below, whatever words it has. None where the
            judge reads any text: then the words decide, and a prompt that names no subject is a subject itself.
    """

    subjects: Mapping[str, tuple[str, ...]]
    captions: tuple[str, ...]
    frame: frozenset[str]
    known_from: float | None

    def named(self, prompt: str) -> list[str]:
        """The subjects whose names, or other words for them, are in a prompt.

        Words with typing errors count only where no word is written without one, and the words of the frame never.
        """
        text = re.sub(r"\w+", lambda word: " " if word[0].casefold() in self.frame else word[0], prompt)
        findings = find_protected(text, self._terms(), _TYPING_ERRORS)
        exact = [finding for finding in findings if finding.errors == 0]
        return list(dict.fromkeys(_name(finding) for finding in exact or findings))

    def written(self) -> list[str]:
        """Every caption of every subject, subject by subject."""
        return [
            caption.format(subject=with_article(name.lower())) for name in self.subjects for caption in self.captions
        ]

    def _terms(self) -> list[Term]:
        return [Term(words, anchor=name) for name, others in self.subjects.items() for words in (name, *others)]


def _name(finding: Finding) -> str:
    return str(finding.term.anchor)
