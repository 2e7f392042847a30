"""Local copies of folders at URLs: each machine that computes makes its own, once, and brings it up to date.

Works and indexes are read as files (memory-mapped, by name), so an object store serves by what was copied from it.
"""

import fcntl
import getpass
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import fsspec

from twig_assets.files import write_whole, written_whole
from twig_assets.settings.secrets import hidden

_LISTING = ".listing.json"
_PROPERTIES = ("size", "ETag", "etag", "md5Hash", "LastModified", "last_modified", "mtime", "created")


class CopyError(RuntimeError):
    """What lies at a URL cannot be copied; the message says why."""


class Copy(NamedTuple):
    """A folder or a file at a URL, and where its copy lies: at the same path on every machine.

    Attributes:
        url: What is copied.
        path: The copy.
    """

    url: str
    path: Path

    def bring(self) -> Path:
        """Copy what is not there yet or has changed, delete what is gone, and give the path.

        What lies directly in the folder gets into its place last, so that a file there that lists the others (the
        manifest of an index) never names one that is missing. One process at a time; the others wait for it.

        Raises:
            CopyError: If the URL cannot be read, or the copy cannot be written.
        """
        try:
            fs, root = fsspec.core.url_to_fs(self.url)
            folder = self.path if fs.isdir(root) else self.path.parent
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _locked(self.path.parent / f".{self.path.name}.lock"):
                if folder is self.path:
                    _bring_folder(fs, root, self.path)
                else:
                    _bring_file(fs, root, self.path)
        except FileNotFoundError as error:
            raise CopyError(hidden(f"{self.url}: there is nothing; check the address")) from error
        except (OSError, ValueError, ImportError) as error:
            raise CopyError(hidden(f"{self.url}: cannot be copied to {self.path}: {error}")) from error
        return self.path


def copy_of(place: str) -> Copy | None:
    """The copy of a URL, which is not made by this; None for what is a path of this machine."""
    if "://" not in place or place.startswith(("file://", "local://")):
        return None
    root = os.environ.get("TWIG_COPIES") or f"{tempfile.gettempdir()}/twig-copies-{getpass.getuser()}"
    url = place.rstrip("/")
    return Copy(url, Path(root).absolute() / hashlib.sha256(url.encode()).hexdigest()[:16] / url.rpartition("/")[2])


def _bring_folder(fs: Any, root: str, folder: Path) -> None:
    listing = folder / _LISTING
    known = json.loads(listing.read_text()) if listing.exists() else {}
    top = {name: info for name, info in _files(fs, root).items() if "/" not in name}
    # The others are listed after these were read, so whatever these name is among them.
    contents = {name: fs.cat_file(info["name"]) for name, info in top.items() if known.get(name) != _state(info)}
    found = _files(fs, root)
    for name, info in found.items():
        if "/" in name and not (known.get(name) == _state(info) and (folder / name).exists()):
            _bring_file(fs, info["name"], folder / name)
    for name, content in contents.items():
        with written_whole(folder / name) as partial:
            partial.write_bytes(content)
    states = {name: _state(info) for name, info in (found | top).items() if name in top or "/" in name}
    for name in known.keys() - states.keys():
        (folder / name).unlink(missing_ok=True)
    write_whole(listing, json.dumps(states))


def _bring_file(fs: Any, source: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as partial:
        fs.get_file(source, str(partial))


def _files(fs: Any, root: str) -> dict[str, dict[str, Any]]:
    """Name below the folder -> what the file system says of it."""
    fs.invalidate_cache()
    found = fs.find(root, detail=True)
    return {path.removeprefix(root).lstrip("/"): info for path, info in sorted(found.items())}


def _state(info: dict[str, Any]) -> str:
    """Changes with the content, as far as the file system says so."""
    return json.dumps([str(info.get(name)) for name in _PROPERTIES])


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
