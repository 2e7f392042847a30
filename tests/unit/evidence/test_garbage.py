"""Which files in the store nothing refers to, and which of them stay all the same."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.unit.catalog.judged import add_images
from twig_assets.catalog.database import Catalog, open_catalog
from twig_assets.catalog.models import Image
from twig_assets.catalog.store import ArtifactStore
from twig_assets.evidence.garbage import HOUR, GarbageError, find_garbage, remove


@pytest.fixture
def catalog(database_url: str) -> Iterator[Catalog]:
    opened = open_catalog(database_url)
    add_images(opened, 1)
    yield opened
    opened.close()


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


def put(store: ArtifactStore, content: bytes, hours_ago: float, suffix: str = "png") -> Path:
    path = Path(str(store.path(store.put_bytes(content, suffix), suffix)))
    set_age(path, hours_ago)
    return path


def set_age(path: Path, hours: float) -> None:
    then = time.time() - hours * HOUR
    os.utime(path, (then, then))


def found(catalog: Catalog, store: ArtifactStore) -> list[Path]:
    return [Path(str(file.path)) for file in find_garbage(catalog, store, 24 * HOUR)]


def refer_to(catalog: Catalog, path: Path) -> None:
    with catalog.session() as session:
        row = session.execute(select(Image.__table__)).mappings().one()
        session.add(Image(**{**row, "id": None, "attempt": 7, "sha256": path.stem}))


def test_a_store_that_does_not_exist_yet_has_no_garbage(catalog: Catalog, store: ArtifactStore) -> None:
    assert found(catalog, store) == []


def test_only_old_files_without_a_row_are_garbage(catalog: Catalog, store: ArtifactStore) -> None:
    wanted, _young = put(store, b"wanted", 100), put(store, b"young", 23)
    refer_to(catalog, wanted)
    old = [put(store, b"old", 25), put(store, b"weights", 25, "safetensors"), put(store, b"cells", 25, "npz")]
    assert found(catalog, store) == sorted(old)


def test_the_same_hash_of_another_kind_does_not_count_as_wanted(catalog: Catalog, store: ArtifactStore) -> None:
    refer_to(catalog, put(store, b"wanted", 100))
    other = put(store, b"wanted", 100, "npz")
    assert found(catalog, store) == [other]


def test_reports_and_files_of_others_stay(catalog: Catalog, store: ArtifactStore) -> None:
    page = put(store, b"<html>", 100, "html")
    put(store, b"{}", 100, "json")
    note = page.with_name("note.txt")
    note.write_text("mine")
    set_age(note, 100)
    assert found(catalog, store) == []


def test_what_a_killed_write_left_is_garbage_once_it_is_old(catalog: Catalog, store: ArtifactStore) -> None:
    path = put(store, b"whole", 1)
    torn = path.with_name(f".{path.name}.{'0' * 32}.partial")
    torn.write_bytes(b"who")
    assert found(catalog, store) == []
    set_age(torn, 25)
    assert found(catalog, store) == [torn]


def test_what_a_batch_wants_again_is_young_again_and_no_longer_garbage(catalog: Catalog, store: ArtifactStore) -> None:
    path = put(store, b"old", 25)
    listed = find_garbage(catalog, store, 24 * HOUR)
    store.put_bytes(b"old", "png")
    assert found(catalog, store) == []
    assert list(remove(listed)) == [], "wanted again between the listing and the removal"
    assert path.exists()


def test_a_file_from_the_future_is_young(catalog: Catalog, store: ArtifactStore) -> None:
    put(store, b"clock set back", -100)
    assert found(catalog, store) == []


def test_removing_deletes_just_what_was_listed_and_twice_is_no_error(catalog: Catalog, store: ArtifactStore) -> None:
    old, young = put(store, b"old", 25), put(store, b"young", 1)
    listed = find_garbage(catalog, store, 24 * HOUR)
    assert [Path(str(file.path)) for file in remove(listed)] == [old]
    assert (old.exists(), young.exists()) == (False, True)
    assert list(remove(listed)) == []


def test_a_grace_period_that_a_batch_may_outlast_is_refused(catalog: Catalog, store: ArtifactStore) -> None:
    with pytest.raises(ValueError, match="too short"):
        find_garbage(catalog, store, 60)


def test_a_catalog_that_refers_to_nothing_is_taken_for_the_wrong_one(tmp_path: Path, store: ArtifactStore) -> None:
    put(store, b"of another catalog", 100)
    empty = open_catalog(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(GarbageError, match="refers to no artifact at all"):
        find_garbage(empty, store, 24 * HOUR)
    empty.close()
