"""The states of rows that may change, such as a work's title: each is kept, and the ledger chains it.

The ledger can only chain what stays as it is. Of a row that may change, every state that one of our own transactions
left is written down; `twig verify` compares the row with the newest.
"""

import json
from typing import Any

from sqlalchemy import Connection, MetaData, event, select
from sqlalchemy.orm import Session, sessionmaker

from twig_assets.catalog.ledger import plain
from twig_assets.catalog.models import Base, RowState, utc_now

STATED = ("reference", "concept")
_CHANGED = "rows whose state is to be kept"


def state_of(
    connection: Connection, table: str, row_id: int, metadata: MetaData = Base.metadata
) -> dict[str, Any] | None:
    """A row's state as a row of `row_state`; None where the row is gone."""
    columns = metadata.tables[table].c
    row = connection.execute(select(*columns).where(columns.id == row_id)).mappings().first()
    if row is None:
        return None
    content = {str(name): plain(value) for name, value in row.items() if value is not None}
    return {"table_name": table, "row_id": row_id, "content": content, "at": utc_now()}


def keep_row_states(sessions: sessionmaker[Session]) -> None:
    """Let every transaction of these sessions write down the states of the rows that it adds or changes.

    Call it before `keep_ledger`, which chains what this adds.
    """
    event.listen(sessions, "after_flush", _note)
    event.listen(sessions, "before_commit", _keep)
    event.listen(sessions, "after_rollback", _forget)


def _note(session: Session, _context: object) -> None:
    for row in [*session.new, *session.dirty]:
        if getattr(row, "__tablename__", None) in STATED and (row in session.new or session.is_modified(row)):
            session.info.setdefault(_CHANGED, set()).add((row.__tablename__, row.id))


def _keep(session: Session) -> None:
    if session.in_nested_transaction():
        return
    session.flush()
    for table, row_id in sorted(session.info.pop(_CHANGED, ())):
        state = state_of(session.connection(), table, row_id)
        if state is not None and not _known(session, state):
            session.add(RowState(**state))


def _forget(session: Session) -> None:
    session.info.pop(_CHANGED, None)


def _known(session: Session, state: dict[str, Any]) -> bool:
    newest = session.scalars(
        select(RowState)
        .where(RowState.table_name == state["table_name"], RowState.row_id == state["row_id"])
        .order_by(RowState.id.desc())
        .limit(1)
    ).first()
    return newest is not None and newest.content == json.loads(json.dumps(state["content"]))
