"""A model may have one edit that was trained for several concepts together."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the edit's name; no model has one yet."""
    op.add_column("model", sa.Column("joint_sha256", sa.String(64)))


def downgrade() -> None:
    """Forget it. Models that have one can no longer be opened as they were."""
    op.drop_column("model", "joint_sha256")
