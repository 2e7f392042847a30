"""The key of a watermark: who has it reads, writes and can remove the mark."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretBytes

from twig_assets.provenance.watermark.protocol import PAYLOAD_BYTES, WatermarkError

KEY_BYTES = 32
FILE = "watermark.key"
_PATTERN = "watermark*.key"


@dataclass(frozen=True)
class WatermarkKey:
    """A key.

    Attributes:
        secret: KEY_BYTES bytes.
        id: Eight hex digits that name it.
    """

    secret: SecretBytes
    id: str = field(init=False)

    def __post_init__(self) -> None:
        if len(self.secret.get_secret_value()) != KEY_BYTES:
            raise WatermarkError(f"a watermark's key has {KEY_BYTES} bytes; make one with `twig keys create`")
        object.__setattr__(self, "id", self.stream("name", 4).hex())

    def stream(self, purpose: str, count: int) -> bytes:
        """So many bytes that depend on key and purpose and look random to whoever lacks the key (SHAKE-256)."""
        return hashlib.shake_256(purpose.encode() + b"\0" + self.secret.get_secret_value()).digest(count)

    def payload(self, content: bytes) -> bytes:
        """The payload for some content: the same for the same content, and for others another one."""
        return self.stream(f"payload {hashlib.sha256(content).hexdigest()}", PAYLOAD_BYTES)


def create_key(folder: Path) -> WatermarkKey:
    """Make a key, in a file that only its owner can read; an existing one is kept.

    Args:
        folder: Of keys; it is made.

    Raises:
        WatermarkError: If there is a file that is no key, or others may read it.
        OSError: If it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(os.urandom(KEY_BYTES).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return _read(path)


def read_keys(folder: Path) -> list[WatermarkKey]:
    """The keys in a folder: first `watermark.key`, with which is marked, then older ones, which are only read with.

    An older key is kept as `watermark-NAME.key`, so that what was marked with it is still recognised.

    Raises:
        WatermarkError: If a file is no key, or others than its owner may read it.
    """
    paths = sorted(folder.glob(_PATTERN), key=lambda path: (path.name != FILE, path.name))
    return [_read(path) for path in paths]


def marking_key(folder: Path) -> WatermarkKey | None:
    """The key with which is marked; None where there is none. Raises what `read_keys` raises."""
    path = folder / FILE
    return _read(path) if path.exists() else None


def _read(path: Path) -> WatermarkKey:
    if path.stat().st_mode & 0o077:
        raise WatermarkError(f"{path}: others than its owner may read this key; run: chmod 600 {path}")
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
        return WatermarkKey(SecretBytes(secret))
    except (ValueError, WatermarkError) as error:
        raise WatermarkError(
            f"{path}: is no key of a watermark, which is {2 * KEY_BYTES} hex digits; restore it from your copy, or "
            f"move it away and make another with `twig keys create`"
        ) from error
