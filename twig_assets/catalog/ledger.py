"""The ledger: one hash chain over all evidence, so that no change of it goes unseen.

Prompts, models, edits, images, their watermarks, masks, verdicts, decisions of people, releases, reports, marked files,
and the states of rows that may change: every such row has an entry. An entry's hash covers its place, the hash of the
entry before, and the row as the database holds it, together with the hashes by which the row's image, policy, corpus
and work are named. Changing, removing or moving a row or an entry therefore breaks the chain there, unless every later
hash is computed again; and that is found as soon as one later hash was kept elsewhere, as in a report.

The chain says nothing about what was true. It also cannot show that its newest entries were cut off together with
their rows, unless a hash of one of them was kept elsewhere: see `Head`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, FromClause, MetaData, Select, event, func, insert, select
from sqlalchemy.orm import Session, sessionmaker

from twig_assets.catalog.among import among
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.models import Base

CHAINED = (
    "prompt",
    "model",
    "policy",
    "corpus_version",
    "concept_edit",
    "image",
    "watermark",
    "mask",
    "row_state",
    "audit",
    "audit_match",
    "review",
    "adherence",
    "unread_decision",
    "allowed_element",
    "policy_change",
    "release_event",
    "report_file",
    "marked_file",
)
GENESIS = "0" * 64
# SQLite takes 32,766 variables in a statement.
ROWS_AT_ONCE = 1000
_POSTGRES_LOCK = 0x7477_6C67
_UNRECORDED = "rows without a ledger entry"

RowKey = tuple[str, int]
Content = dict[str, Any]


@dataclass(frozen=True)
class Head:
    """The newest entry of a ledger. Kept outside the database, it proves that all up to it is still there.

    Attributes:
        sequence: Its place, from 1.
        sha256: Its hash, which depends on everything before it.
    """

    sequence: int
    sha256: str


def keep_ledger(sessions: sessionmaker[Session]) -> None:
    """Let every transaction of these sessions record the chained rows that it adds.

    Rows must be added as objects. Those that a bulk statement inserts get no entry, which `twig verify` then reports.
    """
    event.listen(sessions, "after_flush", _note)
    event.listen(sessions, "before_commit", _record)
    event.listen(sessions, "after_rollback", _forget)


def record(connection: Connection, rows: Iterable[RowKey], metadata: MetaData = Base.metadata) -> None:
    """Append entries for rows of which none has one yet.

    Whoever calls this should have nothing left to do but to commit: until then, all others that record have to wait.

    Args:
        connection: In a transaction; on SQLite in one that holds the write lock already.
        rows: Table and id; they are recorded in the order of `CHAINED` and then of id. Rows that are not there (any
            more, after a savepoint was rolled back) are left out.
        metadata: The tables, as they are in this database.
    """
    if connection.dialect.name == "postgresql":
        # Held to the end of the transaction, which waits for nobody after this: no deadlock, and no fork.
        connection.execute(select(func.pg_advisory_xact_lock(_POSTGRES_LOCK)))
    newest = head(connection, metadata) or Head(0, GENESIS)
    ordered = sorted(set(rows), key=lambda row: (CHAINED.index(row[0]), row[1]))
    for start in range(0, len(ordered), ROWS_AT_ONCE):
        chunk = ordered[start : start + ROWS_AT_ONCE]
        contents = read_contents(connection, chunk, metadata)
        entries = []
        for table, row_id in (key for key in chunk if key in contents):
            sequence, previous = newest.sequence + 1, newest.sha256
            newest = Head(sequence, entry_sha256(sequence, previous, table, contents[table, row_id]))
            entries.append(
                {
                    "sequence": sequence,
                    "table_name": table,
                    "row_id": row_id,
                    "previous_sha256": previous,
                    "sha256": newest.sha256,
                }
            )
        if entries:
            connection.execute(insert(metadata.tables["ledger_entry"]), entries)


def head(connection: Connection, metadata: MetaData = Base.metadata) -> Head | None:
    """The newest entry; None while there is none."""
    entry = metadata.tables["ledger_entry"].c
    newest = select(entry.sequence, entry.sha256).order_by(entry.sequence.desc()).limit(1)
    row = connection.execute(newest).first()
    return Head(row.sequence, row.sha256) if row else None


def entry_sha256(sequence: int, previous: str, table: str, content: Content) -> str:
    """Hash of an entry: of its place, the entry before and the row.

    Raises:
        ValueError, TypeError: For a row with a value that JSON has no word for, as only a tampered one can have.
    """
    return sha256_of({"sequence": sequence, "previous": previous, "table": table, "row": content})


def read_contents(
    connection: Connection, rows: Sequence[RowKey], metadata: MetaData = Base.metadata
) -> dict[RowKey, Content]:
    """Table and id -> what an entry covers of that row, for those that are there; at most `ROWS_AT_ONCE`.

    Values that are NULL are left out, so that a column which a later version adds leaves the hashes as they are.

    Raises:
        ValueError, TypeError: For a row that cannot be read, as only a tampered one can be.
    """
    contents: dict[RowKey, Content] = {}
    for table in CHAINED:
        ids = [row_id for name, row_id in rows if name == table]
        if ids:
            statement = _statement(metadata, table).where(among(metadata.tables[table].c.id, ids))
            for row in connection.execute(statement).mappings():
                content = {str(key): plain(value) for key, value in row.items() if value is not None}
                contents[table, row["id"]] = content
    return contents


def _statement(metadata: MetaData, name: str) -> Select[Any]:
    """All columns of a chained table, and the hash of every row that it points at and that is named by one."""
    table = metadata.tables[name]
    columns: list[Any] = [*table.c]
    source: FromClause = table
    for key in sorted(table.foreign_keys, key=lambda foreign: foreign.parent.name):
        parent = key.column.table.alias()
        if "sha256" in parent.c:
            columns.append(parent.c.sha256.label(f"{key.parent.name}_sha256"))
            source = source.outerjoin(parent, key.parent == parent.c[key.column.name])
    return select(*columns).select_from(source)


def plain(value: Any) -> Any:
    """A column's value as JSON has a word for it: moments in UTC, to the microsecond."""
    if not isinstance(value, datetime):
        return value
    # Read without the models' types, as a migration does, SQLite's moments have no zone; they are stored in UTC.
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds")


def _note(session: Session, _context: object) -> None:
    for row in session.new:
        if (table := getattr(row, "__tablename__", None)) in CHAINED:
            session.info.setdefault(_UNRECORDED, []).append((table, row.id))


def _record(session: Session) -> None:
    if session.in_nested_transaction():
        return
    session.flush()
    if rows := session.info.pop(_UNRECORDED, []):
        record(session.connection(), rows)


def _forget(session: Session) -> None:
    session.info.pop(_UNRECORDED, None)
