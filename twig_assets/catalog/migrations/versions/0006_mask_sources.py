"""A mask says what made it; all that are there were found automatically."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the mask's source, and how bright the prompt's ending was where that was looked at."""
    op.add_column("mask", sa.Column("source", sa.String(16), nullable=False, server_default="automatic"))
    op.add_column("mask", sa.Column("brightness", sa.Double()))


def downgrade() -> None:
    """Forget them."""
    op.drop_column("mask", "brightness")
    op.drop_column("mask", "source")
