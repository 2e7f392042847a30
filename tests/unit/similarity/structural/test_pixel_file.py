"""Files of pictures: what is read is what was appended, whole pictures only, while others append."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from twig_assets.similarity import PixelFile, PixelFileError, append_pictures, ssim_above, ssim_all_pairs


def numbered(count: int, start: int = 0) -> np.ndarray:
    """Pictures of noise that can be told apart by number."""
    return np.stack(
        [np.random.default_rng(start + i).integers(0, 256, (16, 20, 3), dtype=np.uint8) for i in range(count)]
    )


def test_what_was_appended_is_read_slice_by_slice(tmp_path: Path) -> None:
    pictures, path = numbered(7), tmp_path / "pixels"
    append_pictures(path, pictures[:3])
    append_pictures(path, pictures[3:])
    opened = PixelFile(path)
    assert (len(opened), opened.shape, opened.dtype) == (7, (7, 16, 20, 3), np.uint8)
    for part in (slice(None), slice(2, 5), slice(5, 99), slice(6, 2), slice(0, 7, 3)):
        np.testing.assert_array_equal(opened[part], pictures[part])


def test_grey_pictures_are_kept_with_one_channel(tmp_path: Path) -> None:
    append_pictures(tmp_path / "grey", numbered(2)[..., 0])
    assert PixelFile(tmp_path / "grey").shape == (2, 16, 20, 1)


def test_scores_of_a_file_are_those_of_its_pictures(tmp_path: Path) -> None:
    pictures = numbered(30)
    append_pictures(tmp_path / "pixels", pictures)
    opened = PixelFile(tmp_path / "pixels")
    np.testing.assert_array_equal(ssim_all_pairs(pictures[:4], opened), ssim_all_pairs(pictures[:4], pictures))
    found = ssim_above(pictures[:4], opened, 0.9, orientations=8, threads=2)
    assert [(pair.query, pair.reference) for pair in found] == [(i, i) for i in range(4)]


def test_a_reader_sees_the_pictures_that_were_whole_when_it_opened(tmp_path: Path) -> None:
    pictures, path = numbered(6), tmp_path / "pixels"
    append_pictures(path, pictures[:4])
    before = PixelFile(path)
    with path.open("ab") as torn:
        torn.write(pictures[4].tobytes()[:100])
    amid = PixelFile(path)
    append_pictures(path, pictures[4:])
    assert (len(before), len(amid), len(PixelFile(path))) == (4, 4, 6)
    np.testing.assert_array_equal(before[:], pictures[:4])
    np.testing.assert_array_equal(amid[:], pictures[:4])
    np.testing.assert_array_equal(PixelFile(path)[:], pictures)


def test_readers_keep_a_true_prefix_while_two_writers_append(tmp_path: Path) -> None:
    path, rounds = tmp_path / "pixels", 60
    ours, theirs = numbered(1), numbered(1, start=1)
    append_pictures(path, ours)

    def write(picture: np.ndarray) -> None:
        for _ in range(rounds):
            append_pictures(path, picture)

    writers = [threading.Thread(target=write, args=(one,)) for one in (ours, theirs)]
    for writer in writers:
        writer.start()
    seen = []
    while any(writer.is_alive() for writer in writers):
        opened = PixelFile(path)
        seen.append(len(opened))
        scores = ssim_all_pairs(np.concatenate([ours, theirs]), opened)
        np.testing.assert_allclose(scores.max(axis=0), 1, atol=1e-4)
    assert seen == sorted(seen)
    assert len(PixelFile(path)) == 1 + 2 * rounds


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the peak of memory is read from /proc")
def test_a_scan_of_a_large_file_takes_no_memory_for_it(tmp_path: Path) -> None:
    path = tmp_path / "pixels"
    block = np.random.default_rng(0).integers(0, 256, (1000, 64, 64, 3), dtype=np.uint8)
    for _ in range(15):
        append_pictures(path, block)
    program = """if True:
        import sys
        from pathlib import Path
        from twig_assets.similarity import PixelFile, ssim_above

        def peak():
            [line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
            return int(line.split()[1])

        references = PixelFile(Path(sys.argv[1]))
        ssim_above(references[:1], references[:1000], 0.9)
        before = peak()
        found = ssim_above(references[:1], references, 0.9)
        print(len(found), peak() - before)
    """
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    found, kilobytes = map(int, done.stdout.split())
    assert found == 15
    assert kilobytes < os.path.getsize(path) / 1024 / 3


def test_anything_else_is_refused_with_the_name_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "pixels"
    path.write_text("no pixels, though it is long enough for a header")
    with pytest.raises(PixelFileError, match="pixels: is not a file of pixels"):
        PixelFile(path)
    with pytest.raises(PixelFileError, match="pixels: is not a file of pixels"):
        append_pictures(path, numbered(1))
    append_pictures(tmp_path / "other", numbered(1))
    with pytest.raises(PixelFileError, match=r"holds pictures of shape \(16, 20, 3\), not \(16, 20, 1\)"):
        append_pictures(tmp_path / "other", numbered(1)[..., 0])
    with pytest.raises(ValueError, match="pictures: expected uint8"):
        append_pictures(tmp_path / "other", numbered(1) / 255)
