"""Find artifacts that no row of the catalog refers to, and remove them."""

import time
from collections.abc import Iterable, Iterator

from twig_assets.catalog.artifacts import needed_artifacts
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.store import ArtifactError, ArtifactStore, StoredFile

HOUR = 3600.0
MIN_GRACE_SECONDS = HOUR
# Pages and tables that were handed out are evidence, although no row names them.
KEPT_SUFFIXES = ("html", "json")


class GarbageError(RuntimeError):
    """Deleting would be a mistake; the message says why."""


def find_garbage(
    catalog: Catalog, store: ArtifactStore, grace_seconds: float, *, now: float | None = None
) -> list[StoredFile]:
    """The files in the store that nothing refers to and that nothing can be about to refer to.

    A batch writes an artifact first and its row some time later, so what was written or wanted less than the grace
    period ago is left out; so are reports. The files are listed before the rows are read: what was old then and has no
    row afterwards will not get one, because whoever needs it again gives it a new time of change.

    Args:
        catalog: What refers to artifacts.
        store: Where they are.
        grace_seconds: At least `MIN_GRACE_SECONDS`; longer than any batch may take.
        now: Seconds since 1970; the current time by default.

    Raises:
        ValueError: For a shorter grace period.
        GarbageError: When the catalog refers to nothing, so that all would go; then it is probably the wrong catalog.
        ArtifactError: When the store cannot be read.
    """
    if grace_seconds < MIN_GRACE_SECONDS:
        raise ValueError(f"a grace period of {grace_seconds:g} s is too short; give at least {MIN_GRACE_SECONDS:g} s")
    newest = (time.time() if now is None else now) - grace_seconds
    old = [file for file in store.files() if file.written_at < newest and file.suffix not in KEPT_SUFFIXES]
    with catalog.snapshot() as session:
        needed = {(artifact.sha256, artifact.suffix) for artifact in needed_artifacts(session)}
    if old and not needed:
        raise GarbageError(
            f"{catalog!r} refers to no artifact at all, but {store.root} has {len(old)} old ones; check that "
            "TWIG_HOME, TWIG_CATALOG_URL and TWIG_ARTIFACTS belong together"
        )
    return sorted((file for file in old if (file.sha256, file.suffix) not in needed), key=lambda file: str(file.path))


def remove(files: Iterable[StoredFile]) -> Iterator[StoredFile]:
    """Delete files and yield each that is gone; one that was written again meanwhile stays.

    Raises:
        ArtifactError: When one cannot be deleted; those before it are gone.
    """
    for file in files:
        try:
            if file.path.stat().st_mtime == file.written_at:
                file.path.unlink()
                yield file
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ArtifactError(f"{file.path}: cannot be deleted: {error}; check its permissions") from error
