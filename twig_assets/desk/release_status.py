"""Is this cleared? What `twig whence` says of a file, for the desk."""

from dataclasses import dataclass

from twig_assets.desk.app import Desk
from twig_assets.provenance.status import Known
from twig_assets.provenance.whence import Standing


@dataclass(frozen=True)
class Status:
    """What the desk can say of a file.

    Attributes:
        sha256: Of the file.
        problem: Why nothing can be said; None for most.
        known: The images that it is, or is a copy of; empty for an unknown one.
        sentence: What recognised it, and how surely, or what else is known of it.
        marked: Whether it is nothing but a file that was marked here without a campaign, and so without an audit.
        notes: What else is to be known of it: what the ledger contradicts, and what its credential says.
        standing: See `Answer`.
    """

    sha256: str
    problem: str | None
    known: list[Known]
    sentence: str
    marked: bool = False
    notes: tuple[str, ...] = ()
    standing: Standing = "unknown"

    @property
    def cleared(self) -> bool:
        """Whether it is one image of the catalog whose release stands and complies, and nothing contradicts it."""
        return self.standing == "released"


def status_of(desk: Desk, content: bytes) -> Status:
    """Recognise a file: by its bytes, its credential, its watermark or its fingerprint; see `Whence.ask`.

    Args:
        desk: The desk.
        content: The file.
    """
    answer = desk.whence.ask(content)
    notes = [*(file.sentence for file in answer.marked), *(doubt.sentence for doubt in answer.doubts)]
    if answer.credential.sentence not in answer.sentence:
        notes.append(answer.credential.sentence)
    return Status(
        sha256=answer.sha256,
        problem=answer.problem if not answer.known and not answer.marked else None,
        known=list(answer.known),
        sentence=answer.sentence,
        marked=bool(answer.marked) and not answer.known,
        notes=tuple(notes),
        standing=answer.standing,
    )
