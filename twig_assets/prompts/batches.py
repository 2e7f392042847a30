"""Cut the prompts of a campaign into batches, each of which is one partition."""

from collections.abc import Sequence

from twig_assets.prompts.prompt_files import PromptRow

MAX_BATCH = 64


def batches(rows: Sequence[PromptRow], campaign_name: str, size: int) -> list[tuple[str, list[PromptRow]]]:
    """Cut prompts into consecutive batches.

    Args:
        rows: Prompts in order.
        campaign_name: First part of the keys.
        size: Prompts per batch, 1 to 64; the last batch may be smaller.

    Returns:
        Pairs of key (`demo-000`, `demo-001`, ...) and prompts.

    Raises:
        ValueError: If `size` is out of range.
    """
    if not 1 <= size <= MAX_BATCH:
        raise ValueError(f"batch_size: {size} is out of range; choose 1 to {MAX_BATCH}")
    starts = range(0, len(rows), size)
    return [(f"{campaign_name}-{i:03d}", list(rows[start : start + size])) for i, start in enumerate(starts)]
