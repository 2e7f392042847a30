"""The hashes of an export's files, in the format of `sha256sum`."""

from pathlib import Path

from twig_assets.catalog.hashing import sha256_file

SUMS = "SHA256SUMS"


def sums_of(folder: Path) -> str:
    """A line for every file below a folder, in order of its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return "".join(f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)


def parsed(text: str) -> dict[str, str]:
    """Path of a file -> its hash.

    Raises:
        ValueError: For a line that is none, or a path that leads elsewhere; the message has it.
    """
    sums: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        sha256, gap, path = line[:64], line[64:66], line[66:]
        hexadecimal = len(sha256) == 64 and set(sha256) <= set("0123456789abcdef")
        if not hexadecimal or gap != "  " or not _stays_inside(path) or path in sums:
            raise ValueError(f"line {number} is not a hash and a path: {line[:120]!r}")
        sums[path] = sha256
    return sums


def _stays_inside(path: str) -> bool:
    return bool(path) and not path.startswith("/") and "\\" not in path and ".." not in path.split("/")
