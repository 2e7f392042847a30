"""Hashes of values and files."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twig_assets.catalog.hashing import canonical_json, sha256_file, sha256_of

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_canonical_json_reads_back_as_the_same_value(value: object) -> None:
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(st.text(), values))
def test_order_of_keys_does_not_change_the_hash(value: dict[str, object]) -> None:
    assert sha256_of(dict(reversed(value.items()))) == sha256_of(value)


def test_the_hash_is_that_of_the_canonical_text() -> None:
    text = '{"a":[1,2.5,null,true],"b":"\\u00e9"}'
    assert canonical_json({"b": "é", "a": [1, 2.5, None, True]}) == text
    assert sha256_of({"b": "é", "a": [1, 2.5, None, True]}) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_lacks_are_refused(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        sha256_of({"score": [number]})


@pytest.mark.parametrize("value", [{1: "a"}, {"outer": [{True: "a"}]}, {None: 1}])
def test_keys_that_are_not_strings_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="keys of JSON objects are strings"):
        canonical_json(value)


def test_a_file_longer_than_one_piece_has_the_hash_of_all_its_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "long").write_bytes(data)
    assert sha256_file(tmp_path / "long") == hashlib.sha256(data).hexdigest()
