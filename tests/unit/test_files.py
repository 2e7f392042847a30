"""Files that are written whole or not at all."""

import base64
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twig_assets.files import page_templates, picture_uri, write_whole, written_whole


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_whole(path, "first")
    write_whole(path, "ä", durable=True)
    assert path.read_bytes() == "ä".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_whole(path, "old")

    def fail() -> None:
        with written_whole(path) as partial:
            partial.write_text("half of")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_replaced_stays_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page.html"
    write_whole(path, "old")

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_durable_reaches_the_disk_before_it_replaces_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, calls = tmp_path / "record.json", []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: calls.append("sync") or sync(descriptor))
    monkeypatch.setattr(os, "replace", lambda *paths: calls.append("replace") or replace(*paths))
    write_whole(path, "a", durable=True)
    write_whole(path, "b")
    assert calls == ["sync", "replace", "replace"]


def test_a_picture_comes_back_from_its_uri_pixel_by_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    head, _, data = picture_uri(Image.fromarray(pixels), "png").partition(",")
    assert head == "data:image/png;base64"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), pixels)
    webp = picture_uri(Image.fromarray(pixels), "webp")
    assert Image.open(io.BytesIO(base64.b64decode(webp.partition(",")[2]))).size == (7, 5)


def test_pages_escape_what_they_print_and_include_the_common_style(tmp_path: Path) -> None:
    (tmp_path / "page.html.j2").write_text('<style>{% include "page.css" %}</style>{{ text }}')
    page = page_templates(tmp_path).get_template("page.html.j2").render(text="<b>")
    assert page.endswith("&lt;b&gt;")
    assert ".chip" in page
