import pytest

from twig_assets.engines.sameness import DifferentCodeError, check_same, code


def test_the_same_code_is_the_same() -> None:
    check_same(code(), "here")


def test_every_difference_is_named() -> None:
    other = {**code(), "numpy": "1.0", "twig-assets": "0123456789ab"}
    with pytest.raises(DifferentCodeError, match=r"worker-7 has twig-assets .* of 0123456789ab, numpy .* of 1.0"):
        check_same(other, "worker-7")


def test_a_library_that_is_missing_counts() -> None:
    with pytest.raises(DifferentCodeError, match=r"instead of \(none\)"):
        check_same({**code(), "numpy": "(none)"}, "here")
