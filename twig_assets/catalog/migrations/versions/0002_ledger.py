"""The ledger over audits, matches and reviews, with an entry for every row that is there; the pixels of references.

The way down drops the ledger, and with it what shows that its rows are unchanged. The rows themselves stay. Going up
again makes another chain, to which the hashes in older reports do not belong.
"""

import sqlalchemy as sa
from alembic import op

from twig_assets.catalog.ledger import record

revision = "0002"
down_revision = "0001"

# What was chained then.
CHAINED = ("audit", "audit_match", "review")


def upgrade() -> None:
    """Create the table, chain the rows that are there, and then close the table to changes."""
    op.add_column("reference", sa.Column("pixels_sha256", sa.String(64), nullable=True))
    op.create_table(
        "ledger_entry",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("table_name", sa.String(16), nullable=False),
        sa.Column("row_id", sa.Integer(), nullable=False),
        sa.Column("previous_sha256", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_ledger_entry")),
        sa.UniqueConstraint("table_name", "row_id", name=op.f("uq_ledger_entry_table_name_row_id")),
        sa.UniqueConstraint("previous_sha256", name=op.f("uq_ledger_entry_previous_sha256")),
        sa.CheckConstraint(
            "table_name IN ('audit', 'audit_match', 'review')", name=op.f("ck_ledger_entry_table_name")
        ),
    )
    _chain_existing_rows()
    if op.get_context().dialect.name == "postgresql":
        _keep_append_only_on_postgresql()
    else:
        _keep_append_only_on_sqlite()


def downgrade() -> None:
    """Drop the ledger, its triggers with it."""
    op.drop_table("ledger_entry")
    op.drop_column("reference", "pixels_sha256")


def _chain_existing_rows() -> None:
    connection = op.get_bind()
    # The tables as they are at this revision; the models are those of the newest.
    metadata = sa.MetaData()
    metadata.reflect(connection, only=[*CHAINED, "ledger_entry"])
    ids = [(name, row_id) for name in CHAINED for row_id in connection.scalars(sa.select(metadata.tables[name].c.id))]
    record(connection, ids, metadata)


def _keep_append_only_on_sqlite() -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER ledger_entry_refuse_{verb.lower()} BEFORE {verb} ON ledger_entry "
            "BEGIN SELECT RAISE(ABORT, 'ledger_entry is append-only'); END"
        )
    # REPLACE deletes the old row without firing the trigger on DELETE, unless recursive_triggers is on.
    op.execute(
        "CREATE TRIGGER ledger_entry_refuse_replace BEFORE INSERT ON ledger_entry "
        "WHEN EXISTS (SELECT 1 FROM ledger_entry WHERE sequence = NEW.sequence "
        "OR previous_sha256 = NEW.previous_sha256 OR (table_name = NEW.table_name AND row_id = NEW.row_id)) "
        "BEGIN SELECT RAISE(ABORT, 'ledger_entry is append-only and has this row already'); END"
    )


def _keep_append_only_on_postgresql() -> None:
    op.execute(
        "CREATE TRIGGER ledger_entry_refuse_change BEFORE UPDATE OR DELETE ON ledger_entry "
        "FOR EACH ROW EXECUTE FUNCTION twig_refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER ledger_entry_refuse_truncate BEFORE TRUNCATE ON ledger_entry "
        "FOR EACH STATEMENT EXECUTE FUNCTION twig_refuse_change()"
    )
