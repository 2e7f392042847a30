"""Backup and restore of everything that is on record, while others go on writing.

A backup is a folder: the databases as they were at one moment each, every artifact that the catalog's copy refers to,
reports, heads of the ledger, and a manifest with the SHA-256 of every file. It is complete or it is not there.
"""

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import make_url

from twig_assets.catalog.artifacts import needed_artifacts
from twig_assets.catalog.database import open_existing_catalog
from twig_assets.catalog.hashing import sha256_file
from twig_assets.catalog.ledger import head
from twig_assets.catalog.models import utc_now
from twig_assets.catalog.store import ArtifactError, ArtifactStore
from twig_assets.evidence.checks import check_ledger

MANIFEST = "backup.json"
CATALOG, DUMP = "catalog.db", "catalog.dump"
# What of the state folder goes along as it is. Keys and the desk's secret stay: a backup is shown to more people.
FOLDERS = ("reports", "exports", "ledger-heads", "indexes", "releases")
DATABASES = ("mlflow.db", "dagster/storage/*.db", "dagster/storage/*/*.db", "dagster/storage/*/*/*.db")


class BackupError(RuntimeError):
    """A backup that cannot be made, is not whole, or cannot be put back; the message says why and what to do."""


class Backup(BaseModel):
    """What a backup holds.

    Attributes:
        made_at: When it was made, in UTC.
        catalog: Whether the catalog is an SQLite file, or a dump by `pg_dump`.
        head: The ledger's newest entry in it, as `SEQUENCE:SHA256`; empty for an empty ledger.
        artifacts: `copied`, or where they lie if they stayed there.
        files: Path below the folder -> SHA-256.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    made_at: str
    catalog: Literal["sqlite", "postgresql"]
    head: str
    artifacts: str
    files: dict[str, str]


def back_up(url: str, store: ArtifactStore, home: Path, folder: Path, copy_artifacts: bool = True) -> Backup:
    """Make a backup and check it.

    Args:
        url: SQLAlchemy URL of the catalog.
        store: Its artifacts.
        home: The state folder.
        folder: Where the backup goes; must not exist yet.
        copy_artifacts: Whether artifacts are copied; if not, their names are checked and the manifest says where they
            lie, which suits a bucket that keeps versions.

    Raises:
        BackupError: If the folder exists, an artifact is missing or damaged, `pg_dump` fails, or the copy's ledger is
            not sound.
        SchemaError: If the catalog cannot be read.
    """
    if folder.exists():
        raise BackupError(f"{folder} exists; name a folder that does not, so that no backup is mixed with another")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        partial = Path(scratch) / "backup"
        partial.mkdir(mode=0o700)
        backend = _copy_catalog(url, partial)
        checked = f"sqlite:///{partial / CATALOG}" if backend == "sqlite" else url
        sequence = _copy_artifacts(checked, store, partial, copy_artifacts)
        _copy_state(home, partial)
        files = {str(path.relative_to(partial)): sha256_file(path) for path in sorted(_files(partial))}
        made = Backup(
            made_at=utc_now().isoformat(timespec="seconds"),
            catalog=backend,
            head=sequence,
            artifacts="copied" if copy_artifacts else str(store.root),
            files=files,
        )
        (partial / MANIFEST).write_text(made.model_dump_json(indent=2) + "\n", encoding="utf-8")
        partial.rename(folder)
    return made


def read_backup(folder: Path) -> Backup:
    """A backup's manifest, after every file was compared with it.

    Raises:
        BackupError: If it is none, or a file was changed, added or is missing; the message names all of them.
    """
    try:
        backup = Backup.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise BackupError(f"{folder} is no backup: its {MANIFEST} cannot be read ({error})") from error
    there = {str(path.relative_to(folder)) for path in _files(folder)} - {MANIFEST}
    problems = [f"{name}: is missing" for name in sorted(backup.files.keys() - there)]
    problems += [f"{name}: was added" for name in sorted(there - backup.files.keys())]
    problems += [
        f"{name}: was changed"
        for name in sorted(there & backup.files.keys())
        if sha256_file(folder / name) != backup.files[name]
    ]
    if problems:
        raise BackupError(f"{folder} is not as it was made:\n" + "\n".join(problems))
    return backup


def restore(folder: Path, url: str, store: ArtifactStore, home: Path) -> Backup:
    """Put a backup back where nothing is yet.

    Args:
        folder: The backup.
        url: SQLAlchemy URL of the catalog that is to be; a file that does not exist, or an empty database.
        store: Takes the artifacts.
        home: The state folder that is to be.

    Raises:
        BackupError: If the backup is not whole, something is there already, or `pg_restore` fails.
    """
    backup = read_backup(folder)
    backend = "sqlite" if make_url(url).get_backend_name() == "sqlite" else "postgresql"
    if backend != backup.catalog:
        raise BackupError(f"the backup is of {backup.catalog}, TWIG_CATALOG_URL names {backend}; let it name the same")
    if backend == "sqlite":
        target = Path(str(make_url(url).database))
        if target.exists():
            raise BackupError(f"{target} exists; restore into a state folder of its own (TWIG_HOME), then look at it")
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(folder / CATALOG, target.with_name(f".{target.name}.partial"))
        target.with_name(f".{target.name}.partial").rename(target)
    else:
        _run(["pg_restore", "--no-owner", "--exit-on-error", "--dbname", *_libpq(url), str(folder / DUMP)], url)
    for path in sorted((folder / "artifacts").glob("*/*")):
        store.put_file(path, path.suffix.removeprefix("."))  # type: ignore[arg-type]
    if (folder / "state").exists():
        shutil.copytree(folder / "state", home, dirs_exist_ok=True)
    return backup


def _copy_catalog(url: str, partial: Path) -> Literal["sqlite", "postgresql"]:
    if make_url(url).get_backend_name() == "sqlite":
        source = Path(str(make_url(url).database))
        if not source.is_file():
            raise BackupError(f"{source}: there is no catalog; run a campaign first, or set TWIG_HOME")
        # The copy is checked afterwards: checking the catalog itself would wait for whoever writes to it.
        _copy_database(source, partial / CATALOG)
        return "sqlite"
    open_existing_catalog(url).close()
    _run(["pg_dump", "--format=custom", "--no-owner", "--file", str(partial / DUMP), "--dbname", *_libpq(url)], url)
    return "postgresql"


def _copy_database(source: Path, target: Path) -> None:
    """One moment of an SQLite database, by its own backup interface: writers go on meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as reading,
        closing(sqlite3.connect(target)) as writing,
    ):
        reading.backup(writing)


def _copy_artifacts(url: str, store: ArtifactStore, partial: Path, copied: bool) -> str:
    """Copy, or only check, what the catalog's copy refers to; returns the head of its ledger."""
    catalog = open_existing_catalog(url)
    try:
        with catalog.snapshot() as session:
            unsound = [f"{one.subject}: {one.problem}" for one in check_ledger(session.connection())]
            for artifact in needed_artifacts(session):
                try:
                    content = store.read(artifact.sha256, artifact.suffix)
                except (ArtifactError, ValueError) as error:
                    unsound.append(f"{artifact.subject}: {error}")
                    continue
                if copied:
                    path = partial / "artifacts" / artifact.sha256[:2] / f"{artifact.sha256}.{artifact.suffix}"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
            newest = head(session.connection())
    finally:
        catalog.close()
    if unsound:
        more = f"\nand {len(unsound) - 10} more" if len(unsound) > 10 else ""
        raise BackupError("this would be no whole backup; see `twig verify`:\n" + "\n".join(unsound[:10]) + more)
    return f"{newest.sequence}:{newest.sha256}" if newest else ""


def _copy_state(home: Path, partial: Path) -> None:
    for name in FOLDERS:
        if (home / name).is_dir():
            shutil.copytree(home / name, partial / "state" / name)
    for pattern in DATABASES:
        for path in sorted(home.glob(pattern)):
            _copy_database(path, partial / "state" / path.relative_to(home))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _libpq(url: str) -> list[str]:
    """The address as libpq takes it, without the password, which goes by the environment."""
    parsed = make_url(url).set(drivername="postgresql", password=None)
    return [parsed.render_as_string(hide_password=False)]


def _run(command: list[str], url: str) -> None:
    password = make_url(url).password
    environment = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise BackupError(
            f"{command[0]} is not installed; install PostgreSQL's client of the server's version"
        ) from error
    if done.returncode:
        raise BackupError(f"{command[0]} failed: {done.stderr.strip()}")
