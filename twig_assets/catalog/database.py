"""Opening the catalog: SQLite by default, PostgreSQL by URL; its schema is made and changed by Alembic only."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session, sessionmaker

from twig_assets.catalog.hashing import canonical_json

SchemaState = Literal["current", "empty", "older", "newer"]

# Dagster's and MLflow's storages both keep an `alembic_version`; the catalog may share a database with them.
VERSION_TABLE = "twig_catalog_version"
BUSY_SECONDS = 30
_MIGRATIONS = Path(__file__).parent / "migrations"
_POSTGRES_LOCK = 0x74776967
# Alembic's environment is global to the process.
_alembic_lock = threading.Lock()


class SchemaError(RuntimeError):
    """The database cannot be read, or its tables do not fit this version of twig-assets."""


class Catalog:
    """An open catalog.

    Attributes:
        url: Where it is, as given; it may hold a password.
        engine: SQLAlchemy engine, for what needs no session.
    """

    def __init__(self, url: str, engine: Engine) -> None:
        """Wrap an engine whose tables are current; `open_catalog` makes sure of that."""
        self.url = url
        self.engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One short transaction: commits at the end of the `with` block, rolls back if it raises.

        On SQLite it holds the write lock from the start, so that what it read is still true when it writes, and
        others wait up to 30 s: run no model inside. Rows stay readable afterwards; relationships not yet loaded do not.

        Raises:
            sqlalchemy.exc.IntegrityError: For a duplicate, a dangling key, or a change of an append-only table.
            sqlalchemy.exc.OperationalError: When another writer keeps the lock for longer than 30 s.
        """
        with self._sessions.begin() as session:
            yield session

    def close(self) -> None:
        """Close the pooled connections; the catalog opens new ones when it is used again."""
        self.engine.dispose()

    def __repr__(self) -> str:
        """Name the database without its password."""
        return f"Catalog({self.engine.url.render_as_string(hide_password=True)!r})"


def open_catalog(url: str) -> Catalog:
    """Open a catalog; an empty database gets its tables first, and a missing SQLite file its folders.

    Args:
        url: SQLAlchemy URL such as `sqlite:///.twig/catalog.db` or `postgresql+psycopg://user:password@host/name`.

    Raises:
        SchemaError: When the database cannot be read, or is older or newer than the code.
        ModuleNotFoundError: When the URL needs a database driver that is not installed.
    """
    engine = _create_engine(url)
    try:
        state = _state(engine)
        if state == "empty":
            _migrate(engine)
        elif state != "current":
            raise SchemaError(_misfit(engine.url, state))
    except BaseException:
        engine.dispose()
        raise
    return Catalog(url, engine)


def upgrade(url: str) -> None:
    """Bring a catalog's tables to the newest version, in one transaction; does nothing when they are there.

    Raises:
        SchemaError: When the database cannot be read or is newer than the code.
        ModuleNotFoundError: When the URL needs a database driver that is not installed.
    """
    engine = _create_engine(url)
    try:
        if _state(engine) == "newer":
            raise SchemaError(_misfit(engine.url, "newer"))
        _migrate(engine)
    finally:
        engine.dispose()


def schema_state(url: str) -> SchemaState:
    """Compare a database with the code's newest migration; changes nothing and creates no file.

    Returns:
        `empty` without any catalog tables, `older` when `upgrade` is due, `newer` when a later twig-assets made it.

    Raises:
        SchemaError: When the database cannot be read.
        ModuleNotFoundError: When the URL needs a database driver that is not installed.
    """
    engine = _create_engine(url)
    try:
        return _state(engine)
    finally:
        engine.dispose()


def _create_engine(url: str) -> Engine:
    parsed = make_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    # isolation_level=None keeps Python's sqlite3 from opening transactions of its own, so that ours hold DDL too.
    connect_args = {"timeout": BUSY_SECONDS, "isolation_level": None} if is_sqlite else {}
    try:
        engine = create_engine(parsed, connect_args=connect_args, json_serializer=canonical_json, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{parsed.render_as_string(hide_password=True)}: the driver {error.name!r} is not installed; "
            "for PostgreSQL run: pip install 'twig-assets[postgres]'",
            name=error.name,
        ) from error
    if is_sqlite:
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    return engine


def _configure_sqlite(connection, _record) -> None:  # type: ignore[no-untyped-def]
    cursor = connection.cursor()
    for pragma in (f"busy_timeout = {BUSY_SECONDS * 1000}", "journal_mode = WAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails at once, without waiting, when another wrote between.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _sqlite_file(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    return Path(str(url.database))


def _scripts() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _state(engine: Engine) -> SchemaState:
    file = _sqlite_file(engine.url)
    if file is not None and not file.exists():
        return "empty"
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
            revision = context.get_current_revision()
    except DatabaseError as error:
        where = engine.url.render_as_string(hide_password=True)
        raise SchemaError(f"{where}: cannot be read as a catalog: {error.orig}; check the URL and the file") from error
    if revision is None:
        return "empty"
    scripts = ScriptDirectory.from_config(_scripts())
    if revision == scripts.get_current_head():
        return "current"
    return "older" if revision in {script.revision for script in scripts.walk_revisions()} else "newer"


def _migrate(engine: Engine) -> None:
    file = _sqlite_file(engine.url)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    config = _scripts()
    with _alembic_lock, engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _misfit(url: URL, state: SchemaState) -> str:
    where = url.render_as_string(hide_password=True)
    if state == "older":
        return f"{where}: the catalog was made by an older twig-assets; run `twig db upgrade`"
    return f"{where}: the catalog was made by a newer twig-assets than this one; install that version or a later one"
