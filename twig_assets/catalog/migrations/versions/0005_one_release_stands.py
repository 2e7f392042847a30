"""At most one release of a prompt stands; of several that do, the newest stays.

The next run of their batch brings that one in line with the rules of the day.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

NAME = "uq_release_prompt_standing"
STANDING = "withdrawn_at IS NULL"


def upgrade() -> None:
    """Withdraw all standing releases of a prompt but its newest, and allow no second one from now on."""
    release = sa.table("release", sa.column("id"), sa.column("prompt_id"), sa.column("reason"),
                       sa.column("withdrawn_at", sa.DateTime(timezone=True)))
    newest = sa.select(sa.func.max(release.c.id)).where(release.c.withdrawn_at.is_(None)).group_by(release.c.prompt_id)
    op.execute(
        sa.update(release)
        .where(release.c.withdrawn_at.is_(None), release.c.id.not_in(newest))
        .values(withdrawn_at=datetime.now(UTC), reason="another image took its place")
    )
    op.create_index(
        op.f(NAME), "release", ["prompt_id"], unique=True,
        sqlite_where=sa.text(STANDING), postgresql_where=sa.text(STANDING),
    )


def downgrade() -> None:
    """Allow several again."""
    op.drop_index(op.f(NAME), "release")
