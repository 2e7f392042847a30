"""Saving what was drawn without a campaign, with a watermark where there is a key: what `twig generate` does."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from twig_assets.files import written_whole
from twig_assets.provenance.errors import CredentialError
from twig_assets.provenance.file_marks import FileMark, FileMarks, file_marks
from twig_assets.provenance.keys.places import keys_folder
from twig_assets.provenance.watermark.key import FILE, marking_key

CAMPAIGNS = Path("campaigns")


def check_watermark(watermark: bool | None) -> None:
    """Refuse before anything is drawn what `save_pictures` would refuse after it.

    Raises:
        CredentialError: If a watermark is asked for and there is no key.
        WatermarkError: If the key cannot be used.
        SchemaError: If the catalog does not fit this version.
    """
    key = marking_key(keys_folder())
    if watermark and key is None:
        raise CredentialError(f"there is no {keys_folder() / FILE} to mark with; make one with `twig keys create`")
    if key is not None and watermark is not False:
        with file_marks(CAMPAIGNS):
            pass


def save_pictures(
    pictures: Iterable[np.ndarray], paths: Iterable[Path], watermark: bool | None
) -> Iterator[tuple[Path, str | None]]:
    """Save pictures as PNG, marked and on record where that is wanted.

    Args:
        pictures: uint8 (H, W, 3) each.
        paths: Where each comes to lie.
        watermark: True for a watermark, False for none, None for one wherever there is a key and room for it.

    Yields:
        The path, and why the picture has no watermark although there is a key.

    Raises:
        CredentialError: If a watermark is asked for and cannot be written.
        SchemaError: If the catalog does not fit this version.
    """
    if watermark is False or marking_key(keys_folder()) is None:
        for picture, path in zip(pictures, paths, strict=True):
            _save(path, _png(picture))
            yield path, None
        return
    with file_marks(CAMPAIGNS) as marks:
        for picture, path in zip(pictures, paths, strict=True):
            marked, mark, note = _marked(picture, marks, needed=bool(watermark))
            content = _png(marked)
            _save(path, content)
            if mark:
                marks.record(path.name, content, None, "generate", mark)
            yield path, note


def _marked(picture: np.ndarray, marks: FileMarks, *, needed: bool) -> tuple[np.ndarray, FileMark | None, str | None]:
    try:
        marked, mark = marks.pixels(picture)
    except CredentialError as error:
        if needed:
            raise
        return picture, None, f"it has no watermark: {error}"
    return marked, mark, None


def _png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def _save(path: Path, content: bytes) -> None:
    with written_whole(path) as partial:
        partial.write_bytes(content)
