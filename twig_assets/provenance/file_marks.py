"""Watermarks of files without a campaign: written where there is a key, looked for first, and kept on record."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from twig_assets.campaign import campaign_names
from twig_assets.catalog.database import Catalog, open_catalog
from twig_assets.catalog.models import MarkedFile
from twig_assets.provenance.errors import CredentialError
from twig_assets.provenance.keys.places import keys_folder
from twig_assets.provenance.marks_on_record import Bearers, bearers
from twig_assets.provenance.media import MediaType
from twig_assets.provenance.readers import readers, watermark_of
from twig_assets.provenance.rewriting import picture_of, rewritten
from twig_assets.provenance.watermark import Watermark, WatermarkError, WatermarkKey
from twig_assets.provenance.watermark.key import FILE, marking_key
from twig_assets.provenance.watermark.protocol import psnr
from twig_assets.settings.home import catalog_url

_MODES = ("L", "LA", "P", "PA", "RGB", "RGBA")


class MarkedAlreadyError(CredentialError):
    """A picture that carries a watermark, which another one would spoil; the message says whose."""


@dataclass(frozen=True)
class FileMark:
    """A watermark that was written, as the columns of the table `marked_file`, and what is said of it."""

    row: dict[str, Any]
    sentence: str


class FileMarks:
    """Writes the watermark of this installation's key into files, and never over one that is there."""

    def __init__(self, catalog: Catalog, key: WatermarkKey | None, known: Sequence[Watermark]) -> None:
        """Name what is used.

        Args:
            catalog: Where marks are on record.
            key: With which is marked; None where there is none, and then nothing is marked.
            known: All watermarks that a file may carry already.
        """
        self._catalog, self._key, self._known = catalog, key, known
        self._payloads: list[set[bytes]] = []

    def file(self, data: bytes, media_type: MediaType) -> tuple[bytes, FileMark]:
        """The file with its watermark, written again; see `rewritten`.

        Raises:
            MarkedAlreadyError: If it carries one.
            CredentialError: If there is no key, it cannot be read, has no room for a mark, or would lose what no mark
                can keep.
        """
        marks: list[FileMark] = []

        def change(image: Image.Image) -> Image.Image:
            if image.mode not in _MODES:
                raise CredentialError(f"a watermark would cost it its depth or its colours ({image.mode})")
            if getattr(image, "n_frames", 1) > 1:
                raise CredentialError("it has several frames, and a watermark is written into one")
            alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
            pixels, mark = self.pixels(np.asarray(image.convert("RGB")))
            marks.append(mark)
            marked = Image.fromarray(pixels)
            if alpha is not None:
                marked.putalpha(alpha)
            return marked

        written = rewritten(data, media_type, change)
        payload = bytes.fromhex(marks[0].row["payload"])
        with picture_of(written) as image:
            reading = self._watermark.read(np.asarray(image.convert("RGB")), [payload])
        if reading is None or reading.payload != payload:
            raise CredentialError("a watermark cannot be read in it again, since its kind of file loses too much")
        return written, marks[0]

    def pixels(self, pixels: np.ndarray) -> tuple[np.ndarray, FileMark]:
        """A picture with its watermark, uint8 (H, W, 3). The number in it follows from the key and the picture.

        Raises:
            MarkedAlreadyError: If it carries one.
            CredentialError: If there is no key, or it has no room for a mark.
        """
        if (carried := self.carried(pixels)) is not None:
            raise MarkedAlreadyError(carried)
        watermark = self._watermark
        payload = self._marking_key.payload(str(pixels.shape).encode() + pixels.tobytes())
        try:
            marked = watermark.embed(pixels, payload)
        except WatermarkError as error:
            raise CredentialError(str(error)) from error
        row = {
            "payload": payload.hex(),
            "method": watermark.method,
            "key_id": watermark.key_id,
            "psnr": round(min(psnr(pixels, marked), 99.0), 2),
        }
        return marked, FileMark(row, f"Its pixels carry the watermark {payload.hex()} of key {watermark.key_id}.")

    def carried(self, pixels: np.ndarray) -> str | None:
        """Whose watermark a picture carries already, for a person; None where none is found."""
        if not self._payloads:
            with self._catalog.snapshot() as session:
                self._payloads = [set(bearers(session, watermark)) for watermark in self._known]
        for watermark, payloads in zip(self._known, self._payloads, strict=True):
            reading = watermark.read(pixels, payloads)
            if reading is not None:
                with self._catalog.snapshot() as session:
                    whose = _whose(bearers(session, watermark).get(reading.payload))
                return f"its pixels carry the watermark {reading.payload.hex()} of key {watermark.key_id}, {whose}"
        return None

    def record(self, name: str, content: bytes, manifest: str | None, command: str, mark: FileMark | None) -> None:
        """Write down that a file was marked.

        Args:
            name: The file's.
            content: Its bytes as they were written.
            manifest: What its credential is called; None where it has none.
            command: `mark` or `generate`.
            mark: Its watermark; None where it got none.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        with self._catalog.session() as session:
            row = mark.row if mark else {}
            session.add(MarkedFile(name=name, sha256=sha256, manifest=manifest, command=command, **row))

    @property
    def _marking_key(self) -> WatermarkKey:
        if self._key is None:
            raise CredentialError(f"there is no {keys_folder() / FILE}; make one with `twig keys create`")
        return self._key

    @property
    def _watermark(self) -> Watermark:
        return watermark_of(self._marking_key)

    @property
    def has_key(self) -> bool:
        """Whether there is a key to mark with."""
        return self._key is not None


@contextmanager
def file_marks(root: Path) -> Iterator[FileMarks]:
    """The marks of this installation; its catalog is made if there is none.

    Args:
        root: The folder that holds the campaigns, whose networks may have marked a file.

    Raises:
        SchemaError: If the catalog does not fit this version.
        WatermarkError: If a key or a network cannot be used.
        PolicyError: If a campaign's policy cannot be read.
    """
    known = readers([root / name / "policy.yaml" for name in campaign_names(root)])
    key = marking_key(keys_folder())
    catalog = open_catalog(catalog_url())
    try:
        yield FileMarks(catalog, key, known)
    finally:
        catalog.close()


def _whose(on_record: Bearers | None) -> str:
    if on_record is None:
        return "which this catalog does not have"
    if on_record.images:
        prompt = on_record.images[0].image.prompt
        return f"that of an image of campaign {prompt.batch.campaign} for {prompt.text!r}"
    [file, *_] = on_record.files
    return f"that of {file.name!r}, which `twig {file.command}` marked here"
