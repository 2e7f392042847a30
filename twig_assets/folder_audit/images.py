"""The images to audit, as files: all that lies below a folder, readable or not."""

from dataclasses import dataclass
from pathlib import Path

from twig_assets.similarity.corpus.files import files_below, shown

MAX_SIDE = 512
"""Images with a longer side, in pixels, are reduced to it (Lanczos, same proportions) before they are judged."""


@dataclass(frozen=True)
class ImageFile:
    """A file that somebody wants to have audited.

    Attributes:
        path: Where it is.
        name: Its path below the folder, printable; see `shown`.
        problem: Why it cannot be read as a file; None for most.
    """

    path: Path
    name: str
    problem: str | None = None


def image_files(source: Path, follow_links: bool = False) -> tuple[list[ImageFile], list[str]]:
    """The files below a folder, or the one file that was named.

    Args:
        source: The folder or the file.
        follow_links: Whether links are followed that lead out of the folder.

    Returns:
        The files in order of path, and the names of hidden ones, which are not audited.

    Raises:
        OSError: If there is nothing of that name, or the folder cannot be listed.
    """
    if not source.is_dir():
        source.stat()
        return [ImageFile(source, shown(source.name))], []
    audited, hidden = [], []
    for entry in files_below(source, follow_links):
        inside = entry.path.relative_to(source)
        name = shown(inside)
        if any(part.startswith(".") for part in inside.parts):
            hidden.append(name)
        else:
            audited.append(ImageFile(entry.path, name, entry.problem))
    return audited, hidden
