"""Batches of prompts."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twig_assets.prompts import PromptRow, batches


def rows(count: int) -> list[PromptRow]:
    return [PromptRow(f"prompt {i}", i, Path("prompts.yaml"), i + 1) for i in range(count)]


@given(st.integers(0, 300), st.integers(1, 64))
def test_batches_hold_every_prompt_once_and_in_order(count: int, size: int) -> None:
    cut = batches(rows(count), "demo", size)
    assert [row for _, part in cut for row in part] == rows(count)
    assert all(len(part) == size for _, part in cut[:-1])
    assert [key for key, _ in cut] == [f"demo-{i:03d}" for i in range(len(cut))]
    assert all(part for _, part in cut)


@pytest.mark.parametrize("size", [0, -1, 65])
def test_a_batch_size_out_of_range_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="batch_size: .* choose 1 to 64"):
        batches(rows(3), "demo", size)
