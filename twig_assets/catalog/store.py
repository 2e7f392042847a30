"""Files named by their content: a store where nothing half-written or altered is ever read back."""

import contextlib
import hashlib
import io
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from upath import UPath

from twig_assets.catalog.hashing import CHUNK_BYTES, sha256_file

Suffix = Literal["png", "safetensors", "json", "html", "npz"]
SUFFIXES: tuple[str, ...] = get_args(Suffix)

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LOCAL = ("", "file", "local")
_FILE = re.compile(
    rf"(?P<sha256>[0-9a-f]{{64}})\.(?P<suffix>{'|'.join(SUFFIXES)})"
    rf"|\.[0-9a-f]{{64}}\.({'|'.join(SUFFIXES)})\.[0-9a-f]{{32}}(?P<partial>\.partial)"
)


class ArtifactError(RuntimeError):
    """An artifact is missing, altered, or could not be written; the message names its file."""


@dataclass(frozen=True)
class StoredFile:
    """A file in the store.

    Attributes:
        path: Where it lies.
        sha256: Its name; None for what a write left half-done.
        suffix: Its kind; None for what a write left half-done.
        size: In bytes.
        written_at: When it was last written or wanted, in seconds since 1970.
    """

    path: UPath
    sha256: str | None
    suffix: str | None
    size: int
    written_at: float


class ArtifactStore:
    """A content-addressed store on a folder or on any file system that fsspec knows.

    An artifact lies at `ab/abcdef....png`, where `abcdef...` is the sha256 of its bytes. It is written under a
    temporary name beside that and then renamed, so a crash or a full disk leaves no artifact.

    Attributes:
        root: Where the store begins.
    """

    def __init__(self, root: str) -> None:
        """Point at a store; its folders are made by the first write.

        Args:
            root: A folder, or a URL such as `s3://bucket/artifacts`; `~` is not expanded.
        """
        path = UPath(root)
        self._local = path.protocol in _LOCAL
        self.root: UPath = UPath(os.path.abspath(path.path)) if self._local else path

    def path(self, sha256: str, suffix: Suffix) -> UPath:
        """Where an artifact lies, whether or not it is there.

        Raises:
            ValueError: When `sha256` is not 64 lower-case hex digits or `suffix` is not in `SUFFIXES`.
        """
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"{sha256!r} is not a sha256: 64 lower-case hex digits are needed")
        if suffix not in SUFFIXES:
            raise ValueError(f"{suffix!r} is not a kind of artifact; use one of {', '.join(SUFFIXES)}")
        return self.root / sha256[:2] / f"{sha256}.{suffix}"

    def exists(self, sha256: str, suffix: Suffix) -> bool:
        """Whether the artifact is there; its content is checked on reading, not here."""
        return self.path(sha256, suffix).is_file()

    def put_bytes(self, data: bytes, suffix: Suffix) -> str:
        """Store bytes and return their sha256; an artifact that is there and sound only gets a new time of change.

        Raises:
            ValueError: When `suffix` is not in `SUFFIXES`.
            ArtifactError: When the file cannot be written, as on a full disk.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        if not self._renew(sha256, suffix):
            self._write(self.path(sha256, suffix), [data], sha256)
        return sha256

    def put_file(self, source: str | Path, suffix: Suffix) -> str:
        """Store a copy of a local file, a piece at a time, and return its sha256.

        Raises:
            ValueError: When `suffix` is not in `SUFFIXES`.
            OSError: When `source` cannot be read.
            ArtifactError: When `source` changes meanwhile, or the copy cannot be written.
        """
        sha256 = sha256_file(source)
        if not self._renew(sha256, suffix):
            with Path(source).open("rb") as file:
                self._write(self.path(sha256, suffix), _chunks(file), sha256)
        return sha256

    def open(self, sha256: str, suffix: Suffix) -> BinaryIO:
        """Open an artifact for reading after checking all of it; the caller closes it.

        Raises:
            ValueError: When `sha256` or `suffix` is malformed.
            ArtifactError: When it is missing, unreadable or not what it was.
        """
        path = self.path(sha256, suffix)
        try:
            file = cast("BinaryIO", path.open("rb"))
        except FileNotFoundError as error:
            raise ArtifactError(f"{path}: no such artifact; materialize again what makes it") from error
        except OSError as error:
            raise ArtifactError(f"{path}: cannot be read: {error}") from error
        try:
            self._check(path, file, sha256)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file

    def read(self, sha256: str, suffix: Suffix) -> bytes:
        """All bytes of an artifact; raises what `open` raises."""
        with self.open(sha256, suffix) as file:
            return file.read()

    def put_image(self, image: NDArray[Any]) -> str:
        """Store an image or a mask as PNG and return the sha256 of the file.

        The same pixels give the same bytes with the same Pillow: no metadata, fixed compression.

        Args:
            image: uint8 of shape [H, W, 3], uint8 of shape [H, W] or bool of shape [H, W]; H and W at least 1.

        Raises:
            ValueError: For another shape or type.
            ArtifactError: When the file cannot be written.
        """
        colour = image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
        flat = image.ndim == 2 and image.dtype in (np.uint8, np.bool_)
        if not (colour or flat) or image.size == 0:
            raise ValueError(
                f"an image is uint8 [H, W, 3], a mask uint8 or bool [H, W]; got {image.dtype} {list(image.shape)}"
            )
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(image)).save(buffer, format="PNG", compress_level=6)
        return self.put_bytes(buffer.getvalue(), "png")

    def read_image(self, sha256: str) -> NDArray[Any]:
        """The pixels as `put_image` got them: the same shape, and bool where it was bool.

        Raises:
            ValueError: When `sha256` is malformed.
            ArtifactError: When it is missing, not what it was, or not an image.
        """
        with self.open(sha256, "png") as file:
            try:
                return np.array(Image.open(file))
            except OSError as error:
                raise ArtifactError(f"{self.path(sha256, 'png')}: is not an image: {error}") from error

    def files(self) -> Iterator[StoredFile]:
        """Every artifact, and every file that an interrupted write left half-done; no other files.

        Raises:
            ArtifactError: When the store cannot be read.
        """
        try:
            for path in self.root.glob("*/*") if self.root.exists() else ():
                if name := _FILE.fullmatch(path.name):
                    status = path.stat()
                    suffix = None if name["partial"] else name["suffix"]
                    yield StoredFile(path, name["sha256"], suffix, status.st_size, status.st_mtime)
        except OSError as error:
            raise ArtifactError(f"{self.root}: cannot be read: {error}") from error

    def _renew(self, sha256: str, suffix: Suffix) -> bool:
        # What is about to be referred to must not look like an old leftover. Elsewhere than on a local disk there is
        # no such change but to write it again.
        if not self._local or not self._is_sound(sha256, suffix):
            return False
        try:
            os.utime(str(self.path(sha256, suffix)))
        except OSError:
            return False
        return True

    def _is_sound(self, sha256: str, suffix: Suffix) -> bool:
        # Checked in full, so that running again repairs what was damaged on disk.
        if not self.exists(sha256, suffix):
            return False
        try:
            self.open(sha256, suffix).close()
        except ArtifactError:
            return False
        return True

    def _check(self, path: UPath, file: BinaryIO, expected: str) -> None:
        digest = hashlib.sha256()
        try:
            for chunk in _chunks(file):
                digest.update(chunk)
        except OSError as error:
            raise ArtifactError(f"{path}: cannot be read: {error}") from error
        if digest.hexdigest() != expected:
            raise ArtifactError(
                f"{path}: was altered: expected sha256 {expected}, found {digest.hexdigest()}; "
                "materialize again what makes it"
            )

    def _write(self, target: UPath, chunks: Iterable[bytes], expected: str) -> None:
        temporary = target.parent / f".{target.name}.{uuid.uuid4().hex}.partial"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            actual = self._fill(temporary, chunks)
            if actual != expected:
                raise ArtifactError(f"{target}: its source changed while it was copied; try again when it is at rest")
            self._move(temporary, target)
        except BaseException as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            raise ArtifactError(
                f"{target}: cannot be written: {error}; check the free space and the permissions of {self.root}"
            ) from error

    def _fill(self, temporary: UPath, chunks: Iterable[bytes]) -> str:
        digest = hashlib.sha256()
        with cast("BinaryIO", temporary.open("wb")) as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
            if self._local:
                file.flush()
                os.fsync(file.fileno())
        return digest.hexdigest()

    def _move(self, temporary: UPath, target: UPath) -> None:
        if not self._local:
            temporary.rename(target)
            return
        os.replace(str(temporary), str(target))
        for folder in (target.parent, self.root):
            _sync_folder(folder)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _sync_folder(folder: UPath) -> None:
    # The rename itself lives in the folder, which has to reach the disk as well.
    descriptor = os.open(str(folder), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
