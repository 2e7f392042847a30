"""Several works in one image: each is named, whether mirrored, turned or of another size."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from twig_assets.similarity import AuditResult, Policy, ReferenceImage, audit, is_behind
from twig_assets.similarity.corpus.index import ReferenceIndex

TILE = 200


@pytest.fixture(scope="module")
def works(photographs: list[np.ndarray]) -> list[ReferenceImage]:
    return [
        ReferenceImage(Path(f"{i}.png"), f"work {i}", "nobody", "none", f"{i:064d}", photograph)
        for i, photograph in enumerate(photographs)
    ]


@pytest.fixture(scope="module")
def index(works: list[ReferenceImage]) -> ReferenceIndex:
    return ReferenceIndex([work.pixels for work in works])


def tile(picture: np.ndarray, width: int = TILE, height: int = TILE) -> np.ndarray:
    """The middle of a picture, as much of it as has the tile's shape."""
    h, w = picture.shape[:2]
    scale = min(h / height, w / width)
    y, x = round((h - height * scale) / 2), round((w - width * scale) / 2)
    part = picture[y : y + round(height * scale), x : x + round(width * scale)]
    return np.asarray(cv2.resize(np.ascontiguousarray(part), (width, height), interpolation=cv2.INTER_AREA))


def named(result: AuditResult) -> set[str]:
    """Titles of the works behind a failure, by their place in the corpus."""
    assert result.verdict == "fail"
    behind = [match for match in result.matches if is_behind(match.scores, result.thresholds, "fail")]
    return {f"work {int(match.reference_sha256)}" for match in behind}


def looked_at(board: np.ndarray, works: list[ReferenceImage], index: ReferenceIndex) -> AuditResult:
    [result] = audit(board[None], works, Policy(), index=index)
    return result


def test_four_works_in_a_grid_are_all_named_one_of_them_mirrored(
    photographs: list[np.ndarray], works: list[ReferenceImage], index: ReferenceIndex
) -> None:
    board = np.full((2 * TILE + 8, 2 * TILE + 8, 3), 255, np.uint8)
    for place, work in enumerate((0, 2, 3, 4)):
        y, x = (place // 2) * (TILE + 8), (place % 2) * (TILE + 8)
        shown = tile(photographs[work])
        board[y : y + TILE, x : x + TILE] = shown[:, ::-1] if work == 2 else shown
    result = looked_at(board, works, index)
    assert named(result) == {"work 0", "work 2", "work 3", "work 4"}
    assert all(any(f"'work {work}'" in reason for reason in result.reasons) for work in (0, 2, 3, 4))


def test_three_works_of_different_sizes_are_all_named_one_of_them_turned(
    photographs: list[np.ndarray], works: list[ReferenceImage], index: ReferenceIndex
) -> None:
    board = np.full((420, 420, 3), (30, 60, 40), np.uint8)
    board[10:270, 10:270] = tile(photographs[3], 260, 260)
    board[10:150, 280:410] = np.rot90(tile(photographs[0], 140, 130))
    board[280:410, 120:300] = tile(photographs[2], 180, 130)
    result = looked_at(board, works, index)
    assert named(result) == {"work 0", "work 2", "work 3"}
