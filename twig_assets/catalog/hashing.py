"""Names for things by their content: canonical JSON and sha256."""

import hashlib
import json
from pathlib import Path
from typing import Any

CHUNK_BYTES = 1 << 20


def canonical_json(obj: Any) -> str:
    """The one spelling of a JSON value: sorted keys, no spaces, ASCII.

    Args:
        obj: Dicts with string keys, lists, strings, numbers, booleans and None, nested at will.

    Raises:
        ValueError: For NaN and infinities, which are not JSON and not equal to themselves.
        TypeError: For anything that JSON has no word for, and for keys that are not strings.

    >>> canonical_json({"b": [1, 0.5], "a": None})
    '{"a":null,"b":[1,0.5]}'
    """
    _refuse_other_keys(obj)
    return json.dumps(obj, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _refuse_other_keys(obj: Any) -> None:
    # json turns 1 and True into "1" and "true": different settings would then share a hash.
    if isinstance(obj, dict):
        for key, value in obj.items():
            if not isinstance(key, str):
                raise TypeError(f"keys of JSON objects are strings, not {key!r}")
            _refuse_other_keys(value)
    elif isinstance(obj, list | tuple):
        for value in obj:
            _refuse_other_keys(value)


def sha256_of(obj: Any) -> str:
    """Hex sha256 of `canonical_json(obj)`; raises what that raises."""
    return hashlib.sha256(canonical_json(obj).encode("ascii")).hexdigest()


def sha256_file(path: str | Path) -> str:
    """Hex sha256 of a file's bytes, read a piece at a time.

    Raises:
        OSError: When the file cannot be read.
    """
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
