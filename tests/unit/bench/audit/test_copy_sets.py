"""The corpora of the benchmark `detectors`, and where its photographs come from."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twig_assets.bench.audit import copy_peers, copy_sets, photograph_files, qt_resources
from twig_assets.bench.audit.further_copies import TRANSFORMS, copied
from twig_assets.bench.audit.plain_pictures import plain_pictures

PHOTOGRAPHS = photograph_files.photographs(())


def resource_file(entries: list[bytes]) -> bytes:
    """A Qt resource file of version 3: header, data, names and tree."""
    data = b"".join(struct.pack(">I", len(entry)) + entry for entry in entries)
    start = 24
    return (
        b"qres"
        + struct.pack(">5I", 3, start + len(data) + 8, start, start + len(data), 0)
        + data
        + b"names..."
        + b"tree"
    )


def webp(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(file, "WEBP")
    return file.getvalue()


def test_strangers_to_the_art_are_of_other_families() -> None:
    found = copy_sets.art()
    assert len(found.references) == len(found.groups) >= 250
    assert len(found.references) > len(found.strangers) > 100
    assert {picture.shape for picture in found.references + found.strangers} == {(64, 64, 3)}
    known = {picture.tobytes() for picture in [*found.references, *found.plain_works]}
    assert not known & {picture.tobytes() for picture in [*found.strangers, *found.plain_strangers]}


def test_no_two_plain_pictures_of_a_kind_are_the_same_and_a_seed_gives_the_same_again() -> None:
    found = plain_pictures(8, 1)
    for drawn in found.values():
        assert len({picture.tobytes() for picture in drawn}) == 8
    again = plain_pictures(8, 1)
    assert all(np.array_equal(a, b) for kind in found for a, b in zip(found[kind], again[kind], strict=True))


def test_missing_photographs_are_told_with_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(copy_sets.MissingPhotographsError, match="apt-get install gcompris-qt-data"):
        copy_sets.photographs((tmp_path,))


def test_photographs_are_read_out_of_a_package_s_resource_file(tmp_path: Path) -> None:
    folder = tmp_path / "usr/share/gcompris-qt/rcc"
    folder.mkdir(parents=True)
    (folder / "erase.rcc").write_bytes(resource_file([webp((200, 0, 0)), b"import QtQuick", webp((0, 0, 200))]))
    found = dict(photograph_files.photographs((tmp_path,)))
    assert found["erase-000"].shape == (240, 320, 3)
    assert found["erase-000"][..., 0].mean() > 150 > 50 > found["erase-001"][..., 0].mean()
    assert "erase-002" not in found
    assert "coffee.png" in found


def test_another_file_is_no_resource_file(tmp_path: Path) -> None:
    (tmp_path / "erase.rcc").write_bytes(b"no such file")
    with pytest.raises(qt_resources.ResourceFileError, match="erase.rcc"):
        list(qt_resources.pictures(tmp_path / "erase.rcc"))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_copy_is_the_same_for_the_same_seed_and_another_picture_than_the_work(name: str) -> None:
    work, *grounds = (picture for _, picture in PHOTOGRAPHS[:4])
    first, second = (copied(work, name, np.random.default_rng(3), grounds) for _ in range(2))
    assert first.dtype == np.uint8
    assert first.ndim == 3
    np.testing.assert_array_equal(first, second)
    assert np.array_equal(first, work) == (name == "identical")


def test_missing_peers_are_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy_peers, "find_spec", lambda name: None)
    with pytest.raises(copy_peers.MissingPeersError, match="--no-deps imagededup"):
        copy_peers.hashers()
