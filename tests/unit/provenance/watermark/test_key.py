"""The key of a watermark: a file for its owner alone, never lost by making another."""

from pathlib import Path

import pytest
from pydantic import SecretBytes

from twig_assets.provenance.watermark import WatermarkError, WatermarkKey, create_key, read_keys
from twig_assets.provenance.watermark.key import FILE, marking_key


def test_a_key_is_made_once_for_its_owner_alone_and_not_shown(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    assert marking_key(folder) is None
    key = create_key(folder)
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    assert create_key(folder) == key == marking_key(folder)
    assert key.secret.get_secret_value().hex() not in repr(key) + key.id


def test_older_keys_are_read_with_after_the_one_that_marks(tmp_path: Path) -> None:
    old = create_key(tmp_path)
    (tmp_path / FILE).rename(tmp_path / "watermark-2025.key")
    new = create_key(tmp_path)
    assert read_keys(tmp_path) == [new, old]


@pytest.mark.parametrize("content", ["", "ab" * 31, "zz" * 32, "ab" * 33])
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    (tmp_path / FILE).chmod(0o600)
    with pytest.raises(WatermarkError, match=f"{FILE}: is no key"):
        read_keys(tmp_path)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    create_key(tmp_path)
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(WatermarkError, match="chmod 600"):
        marking_key(tmp_path)


def test_payloads_differ_by_content_and_by_key() -> None:
    a, b = (WatermarkKey(SecretBytes(letter * 32)) for letter in (b"a", b"b"))
    assert len({a.payload(b"x"), a.payload(b"y"), b.payload(b"x")}) == 3
    assert a.payload(b"x") == a.payload(b"x")
