"""The parts of the similarity benchmark: what is measured on, what is compared with, and how costs are compared."""

import sys
from pathlib import Path

import numpy as np
import pytest

from twig_assets.bench import names
from twig_assets.bench.audit import similarity
from twig_assets.bench.audit.photographs import SHORT_SIDE, crops, photographs
from twig_assets.bench.audit.ssim_peers import MissingPeerError, peers
from twig_assets.similarity import append_pictures


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Crops of the photographs that are everywhere."""
    return crops(photographs(most=8), 8, 48, seed=1)


def test_it_has_a_name() -> None:
    assert "similarity" in names()


def test_scikit_images_photographs_come_first_and_are_small_enough() -> None:
    taken = photographs(most=8)
    assert len(taken) == 8
    assert taken[0].name.endswith("astronaut.png")
    assert max(min(one.pixels.shape[:2]) for one in taken) <= SHORT_SIDE
    assert len({one.name for one in taken}) == 8


def test_crops_follow_their_seed_and_go_round_the_photographs(pictures: np.ndarray) -> None:
    taken = photographs(most=8)
    assert pictures.shape == (8, 48, 48, 3)
    np.testing.assert_array_equal(crops(taken, 3, 48, seed=1), pictures[:3])
    assert (crops(taken, 3, 48, seed=2) != pictures[:3]).any()
    assert np.abs(np.diff(pictures.astype(int), axis=0)).mean(axis=(1, 2, 3)).min() > 5


def test_the_libraries_compared_with_give_the_same_score(pictures: np.ndarray) -> None:
    pytest.importorskip("pytorch_msssim")
    a, b = pictures[:4], np.roll(pictures, 2, axis=1)[:4]
    exact, *others = (peer(a, b) for peer in peers().values())
    assert len(others) == 2
    for scores in others:
        np.testing.assert_allclose(scores, exact, atol=5e-4)


def test_a_missing_library_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_msssim", None)
    with pytest.raises(MissingPeerError, match=r"pytorch_msssim: not installed; pip install 'twig-assets\[bench\]'"):
        peers()


def test_a_scan_of_a_file_counts_its_pairs(tmp_path: Path, pictures: np.ndarray) -> None:
    append_pictures(tmp_path / "references", pictures)
    told = similarity.scan_file(tmp_path / "references", pictures[:2])
    assert told["references"] == 8
    wanted = 1e6 * told["processor_seconds"] / (told["scans"] * 16)
    assert told["microseconds_per_pair"] == pytest.approx(wanted)
