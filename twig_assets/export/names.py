"""File names made of prompts, that every file system takes."""

import unicodedata

_LONGEST = 60
_LONGEST_BYTES = 120
# Windows keeps these for devices, whatever follows a dot.
_RESERVED = {"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(10))}


class Names:
    """Gives each image a name that no other has, also where upper and lower case are the same."""

    def __init__(self) -> None:
        """Begin with no name taken."""
        self._taken: set[str] = set()

    def of(self, prompt: str, sha256: str, suffix: str = ".png") -> str:
        """A file name: the prompt's words, the image's short id, and a number where the same image was drawn twice.

        Args:
            prompt: What was asked for.
            sha256: The image's hash.
            suffix: With its dot.
        """
        stem = f"{slug(prompt)}-{sha256[:12]}"
        name, number = f"{stem}{suffix}", 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{stem}-{number}{suffix}"
        self._taken.add(name.casefold())
        return name


def slug(text: str) -> str:
    """The words of a text with hyphens between them: letters of any script, digits, and nothing else.

    >>> slug("An owl, 3/4 view!")
    'an-owl-3-4-view'
    >>> slug("../../etc/passwd")
    'etc-passwd'
    """
    letters = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).casefold())
    kept = "".join(char if unicodedata.category(char)[0] in "LMN" else " " for char in letters)
    whole = "-".join(kept.split())[:_LONGEST]
    cut = whole.encode()[:_LONGEST_BYTES].decode(errors="ignore").strip("-")
    return f"image-{cut}" if cut in _RESERVED else cut or "image"
