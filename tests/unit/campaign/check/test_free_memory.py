"""A container's limit counts as much as the machine's memory."""

import psutil
import pytest

from twig_assets.campaign.check.free_memory import contained_memory, free_memory


@pytest.mark.parametrize(
    ("folder", "limit", "use", "reclaimable"),
    [
        (".", "memory.max", "memory.current", "inactive_file"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ],
)
def test_what_is_left_of_a_containers_limit_is_free_and_so_are_files_that_can_be_read_again(
    tmp_path, folder, limit, use, reclaimable
):
    group = tmp_path / folder
    group.mkdir(exist_ok=True)
    (group / limit).write_text("1000\n")
    (group / use).write_text("700\n")
    (group / "memory.stat").write_text(f"anon 500\n{reclaimable} 150\n")
    assert contained_memory(tmp_path) == 450
    (group / use).write_text("1300\n")
    assert contained_memory(tmp_path) == 0


def test_without_a_limit_the_machine_alone_counts(tmp_path):
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\n")
    assert contained_memory(tmp_path) == float("inf")
    assert 0 < free_memory() <= psutil.virtual_memory().total
