"""Columns of a table from lists, without pandas: pyarrow imports it for every list that it is given."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa


def column(values: Sequence[Any]) -> pa.Array:
    """A column of texts, truth values or numbers; None where there is nothing.

    Raises:
        TypeError: If the values are of different kinds, or of another one.
    """
    known = [value for value in values if value is not None]
    kinds = {type(value) for value in known}
    if not kinds:
        return pa.nulls(len(values))
    valid = _bits(np.array([value is not None for value in values])) if len(known) < len(values) else None
    if kinds == {str}:
        return _texts(values, valid)
    if kinds == {bool}:
        bits = _bits(np.array([bool(value) for value in values]))
        return pa.Array.from_buffers(pa.bool_(), len(values), [valid, bits])
    if not kinds <= {int, float}:
        raise TypeError(f"a column holds values of {', '.join(sorted(kind.__name__ for kind in kinds))}")
    kind, filled = (np.float64, pa.float64()) if float in kinds else (np.int64, pa.int64())
    numbers = np.array([0 if value is None else value for value in values], kind)
    return pa.Array.from_buffers(filled, len(values), [valid, pa.py_buffer(numbers.tobytes())])


def _texts(values: Sequence[str | None], valid: pa.Buffer | None) -> pa.Array:
    encoded = [(value or "").encode() for value in values]
    ends = np.concatenate([[0], np.cumsum([len(text) for text in encoded])]).astype(np.int32)
    content = [valid, pa.py_buffer(ends.tobytes()), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(values), content)


def _bits(flags: np.ndarray) -> pa.Buffer:
    """As Arrow keeps truth values: eight in a byte, the first in its lowest bit."""
    return pa.py_buffer(np.packbits(flags, bitorder="little").tobytes())
