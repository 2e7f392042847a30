"""The artifact store, on a real folder and on fsspec's memory file system."""

import hashlib
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn
from PIL import Image

from twig_assets.catalog.store import SUFFIXES, ArtifactError, ArtifactStore

shared_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)


@pytest.fixture(params=["folder", "file url", "memory url"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "memory url":
        return ArtifactStore(f"memory://{uuid.uuid4().hex}/artifacts")
    folder = tmp_path / "deep" / "artifacts"
    return ArtifactStore(str(folder) if request.param == "folder" else folder.as_uri())


@pytest.fixture
def folder_store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def files_of(store: ArtifactStore) -> list[str]:
    return sorted(path.name for path in store.root.rglob("*") if path.is_file())


@shared_folder
@given(data=st.binary(max_size=5000), suffix=st.sampled_from(SUFFIXES))
def test_bytes_come_back_as_they_went_in(store: ArtifactStore, data: bytes, suffix) -> None:
    sha256 = store.put_bytes(data, suffix)
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert store.exists(sha256, suffix)
    assert store.read(sha256, suffix) == data
    assert store.path(sha256, suffix).name == f"{sha256}.{suffix}"
    assert store.path(sha256, suffix).parent.name == sha256[:2]


@shared_folder
@given(
    image=st.one_of(
        stn.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))),
        stn.arrays(np.uint8, st.tuples(st.integers(1, 17), st.integers(1, 17))),
        stn.arrays(np.bool_, st.tuples(st.integers(1, 17), st.integers(1, 17))),
    )
)
def test_images_and_masks_come_back_pixel_for_pixel(folder_store: ArtifactStore, image: np.ndarray) -> None:
    sha256 = folder_store.put_image(image)
    back = folder_store.read_image(sha256)
    assert back.dtype == image.dtype
    np.testing.assert_array_equal(back, image)
    assert folder_store.put_image(image[::-1][::-1]) == sha256


def test_png_files_carry_no_metadata(folder_store: ArtifactStore) -> None:
    sha256 = folder_store.put_image(np.zeros((4, 4, 3), np.uint8))
    data = folder_store.read(sha256, "png")
    assert data.count(b"IHDR") == data.count(b"IDAT") == data.count(b"IEND") == 1
    with folder_store.open(sha256, "png") as file, Image.open(file) as image:
        assert image.info == {}


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.bool_),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
        np.zeros((4, 4), np.int64),
    ],
)
def test_arrays_that_are_no_images_are_refused(folder_store: ArtifactStore, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=rf"got {image.dtype} \[{', '.join(map(str, image.shape))}\]"):
        folder_store.put_image(image)


def test_an_artifact_that_is_there_is_not_written_again_but_no_longer_looks_old(folder_store: ArtifactStore) -> None:
    path = Path(str(folder_store.path(folder_store.put_bytes(b"same", "json"), "json")))
    os.utime(path, (0, 0))
    before = path.stat()
    folder_store.put_bytes(b"same", "json")
    assert path.stat().st_ino == before.st_ino
    assert path.stat().st_mtime > time.time() - 60


def test_the_same_bytes_under_another_suffix_are_another_artifact(store: ArtifactStore) -> None:
    sha256 = store.put_bytes(b"{}", "json")
    assert not store.exists(sha256, "html")


def test_an_altered_artifact_is_never_read_and_the_error_names_file_and_hashes(store: ArtifactStore) -> None:
    sha256 = store.put_bytes(b"what was audited", "json")
    path = store.path(sha256, "json")
    path.write_bytes(b"something else")
    for read in (store.read, store.open):
        with pytest.raises(ArtifactError) as caught:
            read(sha256, "json")
        found = hashlib.sha256(b"something else").hexdigest()
        assert all(part in str(caught.value) for part in (str(path), f"expected sha256 {sha256}", f"found {found}"))


def test_putting_again_repairs_an_altered_artifact(store: ArtifactStore) -> None:
    sha256 = store.put_bytes(b"content", "npz")
    store.path(sha256, "npz").write_bytes(b"cont")
    store.put_bytes(b"content", "npz")
    assert store.read(sha256, "npz") == b"content"


def test_a_missing_artifact_is_an_error_that_names_its_file(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactError, match=f"{'0' * 64}.png: no such artifact"):
        store.read("0" * 64, "png")


def test_a_png_artifact_without_an_image_in_it_is_an_error_that_names_its_file(folder_store: ArtifactStore) -> None:
    sha256 = folder_store.put_bytes(b"not a picture", "png")
    with pytest.raises(ArtifactError, match=f"{sha256}.png: is not an image"):
        folder_store.read_image(sha256)


@pytest.mark.parametrize("sha256", ["", "ab", "../" * 20 + "abcd", "A" * 64, "g" * 64, "0" * 64 + "\n"])
def test_only_hashes_name_artifacts(folder_store: ArtifactStore, sha256: str) -> None:
    with pytest.raises(ValueError, match="64 lower-case hex digits"):
        folder_store.path(sha256, "png")


def test_other_suffixes_are_refused_and_the_error_lists_the_known_ones(folder_store: ArtifactStore) -> None:
    with pytest.raises(ValueError, match="use one of png, safetensors, json, html, npz"):
        folder_store.put_bytes(b"", "pickle")  # type: ignore[arg-type]
    assert files_of(folder_store) == []


def test_a_long_file_is_copied_and_read_as_a_stream(store: ArtifactStore, tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(3_000_001)
    (tmp_path / "weights").write_bytes(data)
    sha256 = store.put_file(tmp_path / "weights", "safetensors")
    assert sha256 == hashlib.sha256(data).hexdigest()
    with store.open(sha256, "safetensors") as file:
        assert file.read() == data
    assert files_of(store) == [f"{sha256}.safetensors"]


def test_a_source_that_changes_while_it_is_copied_leaves_nothing(folder_store: ArtifactStore) -> None:
    sha256 = hashlib.sha256(b"before").hexdigest()
    with pytest.raises(ArtifactError, match=f"{sha256}.json: its source changed while it was copied"):
        folder_store._write(folder_store.path(sha256, "json"), [b"after"], sha256)
    assert files_of(folder_store) == []


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = ArtifactStore(str(tmp_path / "file" / "artifacts"))
    with pytest.raises(ArtifactError, match=r"\.json: cannot be written: .*check the free space"):
        store.put_bytes(b"1", "json")


FULL_DISK = """
import resource, sys
from twig_assets.catalog.store import ArtifactError, ArtifactStore
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
store = ArtifactStore(sys.argv[1])
try:
    if sys.argv[3] == "put_file":
        store.put_file(sys.argv[2], "npz")
    else:
        store.put_bytes(open(sys.argv[2], "rb").read(), "npz")
except ArtifactError as error:
    print(error)
    sys.exit(7)
"""

CRASH = """
import os, sys
from twig_assets.catalog.store import ArtifactStore
def pieces():
    yield b"x" * 100_000
    os.kill(os.getpid(), 9)
store = ArtifactStore(sys.argv[1])
store._write(store.path(sys.argv[2], "npz"), pieces(), sys.argv[2])
"""


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("method", ["put_bytes", "put_file"])
def test_a_write_that_runs_out_of_space_leaves_nothing_and_the_next_one_succeeds(tmp_path: Path, method: str) -> None:
    source, folder = tmp_path / "source", tmp_path / "artifacts"
    source.write_bytes(os.urandom(100_000))
    ran = run_python(FULL_DISK, str(folder), str(source), method)
    assert ran.returncode == 7, ran.stderr
    assert "cannot be written" in ran.stdout
    store = ArtifactStore(str(folder))
    assert files_of(store) == []
    sha256 = store.put_bytes(source.read_bytes(), "npz")
    assert store.read(sha256, "npz") == source.read_bytes()


def test_a_process_killed_while_writing_leaves_nothing_that_can_be_read(tmp_path: Path) -> None:
    data = b"x" * 200_000
    sha256 = hashlib.sha256(data).hexdigest()
    assert run_python(CRASH, str(tmp_path), sha256).returncode == -9
    store = ArtifactStore(str(tmp_path))
    assert not store.exists(sha256, "npz")
    with pytest.raises(ArtifactError, match="no such artifact"):
        store.read(sha256, "npz")
    assert store.put_bytes(data, "npz") == sha256
    assert store.read(sha256, "npz") == data
