"""Which prompts named something protected, in the words of their file, where those were replaced before drawing."""

from collections.abc import Sequence
from dataclasses import dataclass

from twig_assets.campaign import Campaign
from twig_assets.campaign.protected_terms import terms_of
from twig_assets.catalog.models import Prompt
from twig_assets.prompts import PromptError, batches, find_protected, read_prompts, rewritten
from twig_assets.prompts.protected import Finding, Term
from twig_assets.reports.data import NamedLine


@dataclass(frozen=True)
class Named:
    """What a prompt named.

    Attributes:
        written: The prompt as its file has it, if that is not what was drawn; None otherwise.
        lines: What it named.
    """

    written: str | None
    lines: list[NamedLine]


class NamedPrompts:
    """Looks for protected terms in a campaign's prompts."""

    def __init__(self, campaign: Campaign) -> None:
        """Read what is protected, and the prompts as they are written.

        A file of prompts that cannot be read any more is no reason not to report: the catalog has what was drawn.

        Raises:
            PromptError, CorpusError: If the files of concepts or of works cannot be read.
        """
        self._terms: Sequence[Term] = terms_of(campaign)
        self._check = campaign.prompt_check
        self._written: dict[tuple[str, int], str] = {}
        try:
            keyed = batches(read_prompts(campaign.folder), campaign.name, campaign.batch_size)
        except PromptError:
            return
        self._written = {(key, n): row.text for key, rows in keyed for n, row in enumerate(rows)}

    def of(self, prompt: Prompt) -> Named:
        """What a prompt named; the text in the file counts if it is what the prompt was made from."""
        written = self._written.get((prompt.batch_key, prompt.position), prompt.text)
        findings = self._find(written)
        if written != prompt.text:
            if self._check.protected == "rewrite" and rewritten(written, findings) == prompt.text:
                return Named(written, _lines(findings))
            findings = self._find(prompt.text)
        return Named(None, _lines(findings))

    def _find(self, text: str) -> list[Finding]:
        return find_protected(text, self._terms, self._check.typing_errors)


def _lines(findings: Sequence[Finding]) -> list[NamedLine]:
    return [NamedLine(written=f.written, term=f.term.words, anchor=f.term.anchor) for f in findings]
