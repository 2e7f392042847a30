"""Opening the catalog: SQLite by default, PostgreSQL by URL; its schema is made and changed by Alembic only."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError
from sqlalchemy.orm import Session, sessionmaker

from twig_assets.catalog.claims import Claims, connect_arguments
from twig_assets.catalog.hashing import canonical_json
from twig_assets.catalog.ledger import keep_ledger
from twig_assets.catalog.row_states import keep_row_states

SchemaState = Literal["current", "empty", "older", "newer"]

# Dagster's and MLflow's storages both keep an `alembic_version`; the catalog may share a database with them.
VERSION_TABLE = "twig_catalog_version"
BUSY_SECONDS = 30
_MIGRATIONS = Path(__file__).parent / "migrations"
_POSTGRES_LOCK = 0x74776967
_READS_ONLY = "twig_reads_only"
# Alembic's environment is global to the process.
_alembic_lock = threading.Lock()


class SchemaError(RuntimeError):
    """The database cannot be read, or its tables do not fit this version of twig-assets."""


class Catalog:
    """An open catalog.

    Attributes:
        url: Where it is, as given; it may hold a password.
        engine: SQLAlchemy engine, for what needs no session.
        claims: Who works on what.
    """

    def __init__(self, url: str, engine: Engine) -> None:
        """Wrap an engine whose tables are current; `open_catalog` makes sure of that."""
        self.url = url
        self.engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False)
        self.claims = Claims(engine)
        keep_row_states(self._sessions)
        keep_ledger(self._sessions)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One short transaction: commits at the end of the `with` block, rolls back if it raises.

        On SQLite it holds the write lock from the start, so that what it read is still true when it writes, and
        others wait up to 30 s: run no model inside. Rows stay readable afterwards; relationships not yet loaded do not.

        Raises:
            sqlalchemy.exc.IntegrityError: For a duplicate, a dangling key, or a change of an append-only table.
            sqlalchemy.exc.OperationalError: When another writer keeps the lock for longer than 30 s.
            ClaimLostError: When this thread has lost what it claimed.
        """
        self.claims.check()
        with self._sessions.begin() as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """One view of the whole catalog, for reading at length; others go on writing meanwhile, unseen in here."""
        with self.engine.connect() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            else:
                connection.execution_options(**{_READS_ONLY: True})
            with Session(connection, expire_on_commit=False) as session:
                yield session

    @contextmanager
    def claimed(self, name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold a claim that one process at a time can have, on any machine that works on this catalog.

        It ends with the `with` block, or with the process however that ends. If it is lost before, as when the
        database's server restarts, this catalog's sessions refuse to begin, and a block of the main thread is
        interrupted. Claim one thing at a time: two processes that each claim what the other has would wait for ever.

        Args:
            name: What is claimed; a batch, say. Seldom, two names are one claim.
            waiting: Called once if somebody else has it.

        Raises:
            ClaimLostError: If it was lost, instead of what that led to.
        """
        with self.claims.claimed(name, waiting):
            yield

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
            raise SchemaError(_misfit(engine, state))
    except BaseException:
        engine.dispose()
        raise
    return Catalog(url, engine)


def open_existing_catalog(url: str) -> Catalog:
    """Open a catalog that somebody has filled: where there is none, that is an error and none is made.

    Raises:
        SchemaError: When there is no catalog, or when `open_catalog` raises it.
        ModuleNotFoundError: When the URL needs a database driver that is not installed.
    """
    if schema_state(url) == "empty":
        where = make_url(url).render_as_string(hide_password=True)
        raise SchemaError(f"{where}: there is no catalog; check TWIG_HOME and TWIG_CATALOG_URL")
    return open_catalog(url)


def upgrade(url: str) -> None:
    """Bring a catalog's tables to the newest version, in one transaction; does nothing when they are there.

    Raises:
        SchemaError: When the database cannot be read or is newer than the code.
        ModuleNotFoundError: When the URL needs a database driver that is not installed.
    """
    engine = _create_engine(url)
    try:
        if _state(engine) == "newer":
            raise SchemaError(_misfit(engine, "newer"))
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


def schema_problem(url: str) -> str | None:
    """What keeps the code from using a database, with both revisions and what to do; None if it fits or is empty.

    Raises:
        SchemaError: When the database cannot be read.
        ModuleNotFoundError: When the URL needs a database driver that is not installed.
    """
    engine = _create_engine(url)
    try:
        state = _state(engine)
        return _misfit(engine, state) if state in ("older", "newer") else None
    finally:
        engine.dispose()


def _create_engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Its message can hold a part of the password: where an address ends in the middle of one.
        raise SchemaError(
            "the catalog's address (TWIG_CATALOG_URL) cannot be read; write it as "
            "dialect://user:password@host/database, with every special character of the password as %XX"
        ) from None
    is_sqlite = parsed.get_backend_name() == "sqlite"
    # isolation_level=None keeps Python's sqlite3 from opening transactions of its own, so that ours hold DDL too.
    options: dict[str, Any] = {"json_serializer": canonical_json, "pool_pre_ping": True}
    if is_sqlite:
        options["connect_args"] = {"timeout": BUSY_SECONDS, "isolation_level": None}
    else:
        # Whatever the server's default: who waited for another writer has to see what that one wrote.
        options["isolation_level"] = "READ COMMITTED"
        options["connect_args"] = connect_arguments(url)
    try:
        engine = create_engine(parsed, **options)
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
    if connection.get_execution_options().get(_READS_ONLY):
        connection.exec_driver_sql("BEGIN")
        return
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
    revision = _revision(engine)
    if revision is None:
        return "empty"
    if revision == _newest_revision():
        return "current"
    known = {script.revision for script in ScriptDirectory.from_config(_scripts()).walk_revisions()}
    return "older" if revision in known else "newer"


def _revision(engine: Engine) -> str | None:
    file = _sqlite_file(engine.url)
    if file is not None and not file.exists():
        return None
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
            return context.get_current_revision()
    except DatabaseError as error:
        where = engine.url.render_as_string(hide_password=True)
        raise SchemaError(f"{where}: cannot be read as a catalog: {error.orig}; check the URL and the file") from error


def _newest_revision() -> str | None:
    return ScriptDirectory.from_config(_scripts()).get_current_head()


def _migrate(engine: Engine) -> None:
    file = _sqlite_file(engine.url)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    config = _scripts()
    with _alembic_lock, keys_unenforced(engine) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if engine.dialect.name == "sqlite" and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
            where = engine.url.render_as_string(hide_password=True)
            raise SchemaError(f"{where}: cannot be upgraded, as these rows have lost what they refer to: {broken}")


@contextmanager
def keys_unenforced(engine: Engine) -> Iterator[Connection]:
    """A connection for migrations: SQLite changes a table by replacing it, which its keys would not allow."""
    with engine.connect() as connection:
        _enforce_keys(connection, "OFF")
        try:
            yield connection
        finally:
            connection.rollback()
            _enforce_keys(connection, "ON")


def _enforce_keys(connection: Connection, switch: str) -> None:
    if connection.dialect.name == "sqlite":
        # Past SQLAlchemy, which would begin a transaction; inside one, SQLite ignores this without a word.
        connection.connection.execute(f"PRAGMA foreign_keys = {switch}")


def _misfit(engine: Engine, state: SchemaState) -> str:
    where = engine.url.render_as_string(hide_password=True)
    schemas = f"its schema is {_revision(engine)}, and this one needs {_newest_revision()}"
    if state == "older":
        return f"{where}: the catalog was made by an older twig-assets: {schemas}; run `twig db upgrade`"
    return (
        f"{where}: the catalog was made by a newer twig-assets than this one: {schemas}; "
        "install the version that made it, or a later one"
    )
