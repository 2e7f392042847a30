"""A file of a report that retention removed is written down as removed, so that it is not taken for lost.

The way down forgets removals and makes another chain, to which the heads in older reports do not belong.
"""

import sqlalchemy as sa
from alembic import op

from twig_assets.catalog.append_only import GUARDED
from twig_assets.catalog.guarding import guard_ledger, keep_append_only, let_rows_change
from twig_assets.catalog.ledger import record

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the column; rows that are there say nothing in it, so that their hashes stay."""
    op.add_column("report_file", sa.Column("removed", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop the column, and the rows that only say that something was removed."""
    connection = op.get_bind()
    removals = connection.execute(sa.text("SELECT count(*) FROM report_file WHERE removed IS NOT NULL")).scalar()
    if removals:
        let_rows_change("report_file", "ledger_entry")
        tables = connection.scalars(sa.text("SELECT DISTINCT table_name FROM ledger_entry")).all()
        op.execute("DELETE FROM report_file WHERE removed IS NOT NULL")
        op.execute("DELETE FROM ledger_entry")
        guard_ledger()
        keep_append_only("report_file", GUARDED["report_file"])
    op.drop_column("report_file", "removed")
    if removals:
        metadata = sa.MetaData()
        metadata.reflect(connection, only=[*tables, "ledger_entry"])
        rows = [(table, key) for table in tables for key in connection.scalars(sa.select(metadata.tables[table].c.id))]
        record(connection, rows, metadata)
