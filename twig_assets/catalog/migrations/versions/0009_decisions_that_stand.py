"""People can lift what was decided before, so that a rejection stands until somebody does.

No row changes: a rejection that a newer policy or corpus had made void holds again, which is the purpose. The way down
fails where somebody has lifted a decision, since the older version knows no such word.
"""

import warnings

import sqlalchemy as sa
import sqlalchemy.exc
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Allow the word."""
    _allow("waive", "reject", "lift")


def downgrade() -> None:
    """Allow it no longer, which fails where it was used."""
    _allow("waive", "reject")


def _allow(*decisions: str) -> None:
    name, listed = op.f("ck_review_decision"), ", ".join(f"'{decision}'" for decision in decisions)
    triggers = _triggers()
    for trigger, _ in triggers:
        # SQLite makes the table anew, whose triggers would refuse that.
        op.execute(f"DROP TRIGGER {trigger}")
    with warnings.catch_warnings():
        # The table is made anew from what SQLAlchemy reads of it and of those that it refers to, and it cannot read an
        # index over an expression. That one is another table's, which stays as it is.
        warnings.simplefilter("ignore", sa.exc.SAWarning)
        with op.batch_alter_table("review") as batch:
            batch.drop_constraint(name, type_="check")
            batch.create_check_constraint(name, f"decision IN ({listed})")
    for _, statement in triggers:
        op.execute(statement)


def _triggers() -> list[tuple[str, str]]:
    """Name and statement of the table's triggers on SQLite; PostgreSQL changes the table in place."""
    if op.get_context().dialect.name != "sqlite":
        return []
    wanted = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'review'")
    return [(name, sql) for name, sql in op.get_bind().execute(wanted)]
