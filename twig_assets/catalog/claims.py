"""Claims: what one process at a time may work on, on any machine that works on the same catalog.

A claim ends with its process however that ends, since it is a session's lock on PostgreSQL and a lock on a file beside
an SQLite database. It can also end before: a server restarts, a network breaks, and somebody else has it then. So its
holder looks after it, and its work ends when it is lost.
"""

import contextlib
import fcntl
import hashlib
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Engine, create_engine, make_url

from twig_assets.files import write_whole

LOOK_SECONDS = 5.0
"""How often a holder makes sure of its claim while it computes; it does so before every transaction besides."""

# Within half a minute, either side notices that the other's machine or the network between them is gone.
_KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
CONNECT_SECONDS = 5
"""How long a server is waited for: one that accepts connections and never answers would hold a run up for ever."""

_SERVERS_KEEPALIVES = ("tcp_keepalives_idle = 10", "tcp_keepalives_interval = 5", "tcp_keepalives_count = 3")
_RUN = "run:"


class ClaimLostError(RuntimeError):
    """A claim ended before its holder was done; another process may have what was claimed."""


def run_claim(run_id: str) -> str:
    """What a Dagster run claims for as long as it goes on; see `Claims.is_claimed`."""
    return f"{_RUN}{run_id}"


class _Lock(Protocol):
    """What a claim is made of."""

    def why_lost(self) -> str:
        """Why it is not held any more; empty while it is."""

    def release(self) -> None:
        """Give it up."""


class Claims:
    """The claims on a catalog's database. The database's tables need not be there.

    A claim can be used by the thread that made it only, but any thread may make one.
    """

    def __init__(self, engine: Engine) -> None:
        """Wrap the catalog's engine; other databases than SQLite files and PostgreSQL have no claims."""
        self._engine = engine
        self._held: dict[int, list[_Held]] = {}

    @contextmanager
    def claimed(self, name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """See `Catalog.claimed`."""
        lock = self._locked(name, waiting)
        if lock is None:
            yield
            return
        held = _Held(name, lock)
        mine = self._held.setdefault(threading.get_ident(), [])
        mine.append(held)
        try:
            with held.watched():
                yield
        finally:
            mine.remove(held)

    def check(self) -> None:
        """Make sure that this thread still has what it claimed.

        Raises:
            ClaimLostError: If it does not.
        """
        for held in self._held.get(threading.get_ident(), ()):
            held.check()

    def is_claimed(self, name: str) -> bool:
        """Whether a process has a claim, on this machine or another."""
        lock: _Lock | None
        if self._engine.dialect.name == "postgresql":
            lock = _ServersLock.of(self._engine, name, None)
        elif (folder := _folder(self._engine)) is not None and _file(folder, name).exists():
            lock = _FileLock.of(_file(folder, name), None)
        else:
            return False
        if lock is not None:
            lock.release()
        return lock is None

    def identity(self) -> str:
        """A name of this database, that no other has: who sees another's claims sees the same; empty without claims."""
        if self._engine.dialect.name == "postgresql":
            with self._engine.connect() as connection:
                asked = "SELECT (SELECT system_identifier FROM pg_control_system()), current_database()"
                system, database = connection.exec_driver_sql(asked).one()
            return f"postgresql:{system}:{database}"
        folder = _folder(self._engine)
        return f"sqlite:{_identity_of(folder)}" if folder is not None else ""

    def _locked(self, name: str, waiting: Callable[[], None]) -> _Lock | None:
        if self._engine.dialect.name == "postgresql":
            return _ServersLock.of(self._engine, name, waiting)
        folder = _folder(self._engine)
        return None if folder is None else _FileLock.of(_file(folder, name), waiting)


@contextmanager
def opened_claims(url: str) -> Iterator[Claims]:
    """The claims on a catalog whose tables nobody needs here; see `open_catalog` for the URL."""
    engine = create_engine(make_url(url), connect_args=connect_arguments(url))
    try:
        yield Claims(engine)
    finally:
        engine.dispose()


def connect_arguments(url: str) -> dict[str, Any]:
    """What a connection to PostgreSQL is opened with, so that a server that is gone is noticed."""
    parsed = make_url(url)
    by_libpq = parsed.get_backend_name() == "postgresql" and parsed.get_driver_name() in ("psycopg", "psycopg2")
    waits = {} if "connect_timeout" in parsed.query else {"connect_timeout": CONNECT_SECONDS}
    return {**_KEEPALIVES, **waits} if by_libpq else {}


class _Held:
    """A claim that this process has."""

    def __init__(self, name: str, lock: _Lock) -> None:
        self._name, self._lock = name, lock
        self._guard, self._ended = threading.Lock(), threading.Event()
        self._lost = ""

    def check(self) -> None:
        """Raise ClaimLostError if it is lost."""
        with self._guard:
            self._look()
        if self._lost:
            raise self._error()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look after it until the `with` block ends; if it is lost, a block of the main thread is interrupted."""
        in_main = threading.current_thread() is threading.main_thread()
        watcher = threading.Thread(target=self._watch, args=(in_main,), daemon=True, name=f"claim {self._name}")
        watcher.start()
        try:
            yield
        except BaseException:
            if self._lost:
                raise self._error() from None
            raise
        finally:
            try:
                self._ended.set()
                with self._guard:
                    self._lock.release()
            except KeyboardInterrupt:
                # Lost at the very end: all was written by transactions that had made sure of it.
                if not self._lost:
                    raise

    def _watch(self, interrupt: bool) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            with self._guard:
                if self._ended.is_set():
                    return
                self._look()
                if self._lost:
                    if interrupt:
                        # As Ctrl-C would, which also ends a wait in the operating system.
                        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                    return

    def _look(self) -> None:
        self._lost = self._lost or self._lock.why_lost()

    def _error(self) -> ClaimLostError:
        return ClaimLostError(
            f"the claim on {self._name} was lost ({self._lost}), and another process may have it now; what was "
            "finished is kept, so run it again"
        )


class _ServersLock:
    """An advisory lock of PostgreSQL: the server's session has it, and ends with the connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @classmethod
    def of(cls, engine: Engine, name: str, waiting: Callable[[], None] | None) -> "_ServersLock | None":
        """The lock, as soon as nobody else has it; without `waiting`, None if somebody has it."""
        # SQLAlchemy's own connections come back by themselves, without the lock; this one does not.
        connection = engine.raw_connection()
        lock = cls(connection)
        try:
            connection.driver_connection.autocommit = True  # type: ignore[union-attr]
            for setting in _SERVERS_KEEPALIVES:
                lock._ask(f"SET {setting}")
            key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
            if not lock._ask(f"SELECT pg_try_advisory_lock({key})"):
                if waiting is None:
                    lock.release()
                    return None
                waiting()
                lock._ask(f"SELECT pg_advisory_lock({key})")
        except BaseException:
            lock.release()
            raise
        return lock

    def why_lost(self) -> str:
        """See `_Lock`."""
        try:
            self._ask("SELECT 1")
        except Exception as error:
            return " ".join(str(error).split()) or type(error).__name__
        return ""

    def release(self) -> None:
        """See `_Lock`."""
        # A connection that goes back to the pool would keep it.
        self._connection.invalidate()

    def _ask(self, statement: str) -> Any:
        cursor = self._connection.cursor()
        try:
            cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None
        finally:
            cursor.close()


class _FileLock:
    """A lock on a file, that ends with the process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = path.open("a")

    @classmethod
    def of(cls, path: Path, waiting: Callable[[], None] | None) -> "_FileLock | None":
        """The lock, as soon as nobody else has it; without `waiting`, None if somebody has it."""
        lock = cls(path)
        try:
            fcntl.flock(lock._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is None:
                lock._file.close()
                return None
            waiting()
            fcntl.flock(lock._file, fcntl.LOCK_EX)
        return lock

    def why_lost(self) -> str:
        """See `_Lock`."""
        return "" if os.fstat(self._file.fileno()).st_nlink else f"somebody deleted {self._path}"

    def release(self) -> None:
        """See `_Lock`."""
        if self._path.name.startswith(_RUN):
            # A run has a name of its own, which nobody claims again.
            self._path.unlink(missing_ok=True)
        self._file.close()


def _folder(engine: Engine) -> Path | None:
    database = engine.url.database
    if engine.dialect.name != "sqlite" or database in (None, "", ":memory:"):
        return None
    file = Path(str(database))
    return file.with_name(f"{file.name}-claims")


def _file(folder: Path, name: str) -> Path:
    """Batches come and go and share a few files; a run claims others while it has its own, so it has a file."""
    return folder / (name if name.startswith(_RUN) else hashlib.sha256(name.encode()).hexdigest()[:2])


def _identity_of(folder: Path) -> str:
    file = folder / "identity"
    with contextlib.suppress(FileNotFoundError):
        return file.read_text(encoding="utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    lock = _FileLock.of(folder / "making-identity", lambda: None)
    assert lock is not None, "it was waited for"
    try:
        if not file.exists():
            write_whole(file, uuid.uuid4().hex)
        return file.read_text(encoding="utf-8")
    finally:
        lock.release()
