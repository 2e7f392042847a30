"""The watermark of every image that has one: the payload by which a copy is traced back to it."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "watermark",
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("payload", sa.String(12), nullable=False),
        sa.Column("method", sa.String(64), nullable=False),
        sa.Column("key_id", sa.String(8), nullable=False),
        sa.Column("psnr", sa.Float(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_watermark")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_watermark_image_id_image")),
    )
    op.create_index("ix_watermark_payload", "watermark", ["payload"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("watermark")
