"""Is this cleared? What `twig whence` says of a file, for the desk."""

from dataclasses import dataclass

from twig_assets.desk.app import Desk
from twig_assets.provenance.status import Known


@dataclass(frozen=True)
class Status:
    """What the desk can say of a file.

    Attributes:
        sha256: Of the file.
        problem: Why nothing can be said; None for most.
        known: The images that it is, or is a copy of; empty for an unknown one.
        sentence: What recognised it, and how surely, or what else is known of it.
    """

    sha256: str
    problem: str | None
    known: list[Known]
    sentence: str

    @property
    def cleared(self) -> bool:
        """Whether it is one image of the catalog whose release stands and complies."""
        return bool(self.known) and all(one.today == "released" for one in self.known)


def status_of(desk: Desk, content: bytes) -> Status:
    """Recognise a file: by its bytes, its credential, its watermark or its fingerprint; see `Whence.ask`.

    Args:
        desk: The desk.
        content: The file.
    """
    answer = desk.whence.ask(content)
    return Status(answer.sha256, answer.problem if not answer.known else None, list(answer.known), answer.sentence)
