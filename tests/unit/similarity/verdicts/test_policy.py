"""Policies."""

from pathlib import Path

import numpy as np
import pytest

from twig_assets.similarity import Policy, PolicyError, read_policy, read_references, ssim_all_pairs

DEMO = Path(__file__).parents[4] / "campaigns" / "demo"


def read(tmp_path: Path, text: str) -> Policy:
    (tmp_path / "policy.yaml").write_text(text, encoding="utf-8")
    return read_policy(tmp_path / "policy.yaml")


def test_fields_left_out_take_their_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Policy()
    assert read(tmp_path, "ssim_threshold: 0.8\n") == Policy(ssim_threshold=0.8)


def test_the_hash_depends_on_what_the_policy_says_and_not_on_how_the_file_looks(tmp_path: Path) -> None:
    one = read(tmp_path, "# strict\nssim_threshold: 0.5\nreview_margin: 0.1\n")
    other = read(tmp_path, "{review_margin: 0.10, ssim_threshold: 5.0e-1}")
    assert one.sha256 == other.sha256
    assert len({one.sha256, Policy().sha256, Policy(min_contrast=5).sha256}) == 3


def test_the_demo_policy_tells_its_works_apart_and_leaves_room_for_review() -> None:
    policy = read_policy(DEMO / "policy.yaml")
    works = np.stack([reference.pixels for reference in read_references(DEMO / "references")[0]])
    between = ssim_all_pairs(works, works, orientations=8)[~np.eye(len(works), dtype=bool)]
    assert between.max() < policy.ssim_threshold - policy.review_margin


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\nssim_treshold: 0.5\n", ":2: ssim_treshold: unknown field"),
        ("ssim_threshold: 1.5\n", ":1: ssim_threshold: Input should be less than or equal to 1, found 1.5"),
        ("ssim_threshold: 0\n", ":1: ssim_threshold: Input should be greater than 0"),
        ("review_margin: wide\n", ":1: review_margin: Input should be a valid number"),
        ("ssim_threshold: .nan\n", ":1: ssim_threshold: Input should be"),
        ("ssim_threshold: 0.5\nssim_threshold: 0.6\n", ":2: ssim_threshold: is there twice"),
        ("- 0.5\n", ":1: file: must hold fields"),
        ("a: [\n", ":2: file: is not valid YAML"),
        ("min_side: 4\n", ":1: min_side: Input should be greater than or equal to 11"),
    ],
)
def test_a_bad_policy_is_told_with_line_and_field(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read(tmp_path, text)
    assert f"policy.yaml{told}" in str(caught.value)


def test_a_missing_or_unreadable_policy_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="policy.yaml: file: cannot be read"):
        read_policy(tmp_path / "policy.yaml")
    (tmp_path / "policy.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyError, match="policy.yaml: file: is not UTF-8"):
        read_policy(tmp_path / "policy.yaml")
