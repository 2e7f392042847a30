"""Files that others read: written whole or not at all, and pages that need no file beside them."""

import base64
import io
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

_PACKAGE = Path(__file__).parent


@contextmanager
def written_whole(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Give a path to write to, and put that file in the place of `path` when the `with` block ends without an error.

    Readers see the old file or the new one, never a part of one. Several processes may write the same file at the same
    moment; the last one wins. A process that is killed meanwhile leaves a hidden file `.NAME.*.partial`.

    Args:
        path: The file to make or to replace; its folder exists.
        durable: Whether the content must have reached the disk before it replaces anything, so that it survives a power
            failure. `catalog.store` has a stronger rule of its own: it checks the content and syncs the folder as well.

    Raises:
        OSError: If it cannot be written; then `path` is as it was.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        yield partial
        if durable:
            with partial.open("rb") as file:
                os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def write_whole(path: Path, text: str, *, durable: bool = False) -> None:
    """Write a text file in UTF-8, whole or not at all; see `written_whole`."""
    with written_whole(path, durable=durable) as partial:
        partial.write_text(text, encoding="utf-8")


def picture_uri(picture: Image.Image, kind: Literal["png", "webp"], quality: int = 80) -> str:
    """A picture as a `data:` URI, to stand in a page.

    Args:
        picture: The picture, grey or RGB.
        kind: `png` keeps every pixel, `webp` is smaller.
        quality: Of WebP, 0 to 100.
    """
    buffer = io.BytesIO()
    # Slower methods make files a twentieth smaller.
    picture.save(buffer, format=kind.upper(), quality=quality, method=2)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def page_templates(folder: Path) -> Environment:
    """The Jinja templates of a folder, and the style sheet `page.css` that all pages include.

    Everything that a template prints is escaped, and a name that it does not know is an error.
    """
    return Environment(
        loader=FileSystemLoader([folder, _PACKAGE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
