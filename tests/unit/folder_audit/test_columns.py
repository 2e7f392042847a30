import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from twig_assets.folder_audit.columns import column

LISTS = [
    ["a", None, "ö", "", "=1"],
    [True, None, False, *[True] * 9],
    [1, None, -(2**40)],
    [1, 0.5, None, float("inf")],
    [None, None],
    [],
    ["x"] * 17,
]


@pytest.mark.parametrize("values", LISTS)
def test_a_column_is_the_one_that_pyarrow_makes(values: list) -> None:
    made = column(values)
    made.validate(full=True)
    assert made.equals(pa.array(values))
    assert made.type == pa.array(values).type


def test_values_of_different_kinds_are_refused() -> None:
    with pytest.raises(TypeError, match="int, str"):
        column(["a", 1])
    with pytest.raises(TypeError, match="float32"):
        column([np.float32(1)])


def test_no_column_loads_pandas() -> None:
    code = "import sys; from twig_assets.folder_audit.columns import column; column(['a', None]); "
    subprocess.run([sys.executable, "-c", code + "assert 'pandas' not in sys.modules"], check=True)
