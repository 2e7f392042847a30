"""A file of a report that retention removed is written down as removed, so that it is not taken for lost.

There is a way down only while nothing was removed: a version from before would take such files for lost, and forgetting
the removals would break the chain that the heads in reports prove.
"""

import sqlalchemy as sa
from alembic import op
from alembic.util import CommandError

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the column; rows that are there say nothing in it, so that their hashes stay."""
    op.add_column("report_file", sa.Column("removed", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop the column; every row and every hash of the ledger stays.

    Raises:
        CommandError: If a removal is on record.
    """
    removed = sa.text("SELECT count(*) FROM report_file WHERE removed IS NOT NULL")
    if count := op.get_bind().execute(removed).scalar():
        raise CommandError(
            f"{count} removed files of reports are on record, which a version from before would take for lost; "
            "keep this version, or restore a backup from before the upgrade (twig restore)"
        )
    op.drop_column("report_file", "removed")
