"""The ledger chains the watermarks of images; files that were marked without a campaign are on record.

The way down makes another chain, to which the heads in older reports do not belong.
"""

import sqlalchemy as sa
from alembic import op

from twig_assets.catalog.append_only import GUARDED
from twig_assets.catalog.guarding import guard_ledger, keep_append_only, let_ledger_chain, let_rows_change
from twig_assets.catalog.ledger import record

revision = "0015"
down_revision = "0014"

BEFORE = (
    "audit",
    "audit_match",
    "review",
    "adherence",
    "unread_decision",
    "allowed_element",
    "policy_change",
    "release_event",
    "prompt",
    "model",
    "image",
    "mask",
    "concept_edit",
    "policy",
    "corpus_version",
    "row_state",
    "report_file",
)
NEW = ("watermark", "marked_file")


def upgrade() -> None:
    """Give watermarks an id, by which the ledger names rows; record what is there, and let nothing of it change."""
    _replace_watermarks(
        sa.Column("id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watermark")),
        sa.UniqueConstraint("image_id", name=op.f("uq_watermark_image_id")),
    )
    op.create_table(
        "marked_file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("manifest", sa.String(255), nullable=True),
        sa.Column("payload", sa.String(12), nullable=True),
        sa.Column("method", sa.String(64), nullable=True),
        sa.Column("key_id", sa.String(8), nullable=True),
        sa.Column("psnr", sa.Double(), nullable=True),
        sa.Column("command", sa.String(16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_marked_file")),
    )
    for column in ("sha256", "manifest", "payload"):
        op.create_index(f"ix_marked_file_{column}", "marked_file", [column])
    let_ledger_chain((*BEFORE, *NEW))
    _record("watermark")
    for table in NEW:
        keep_append_only(table, GUARDED[table])


def downgrade() -> None:
    """Drop the table of files, let watermarks change again, and make another chain over what was chained before."""
    let_rows_change(*NEW, "ledger_entry")
    op.execute("DELETE FROM ledger_entry")
    guard_ledger()
    let_ledger_chain(BEFORE)
    _record(*BEFORE)
    op.drop_table("marked_file")
    _replace_watermarks(sa.PrimaryKeyConstraint("image_id", name=op.f("pk_watermark")))


def _replace_watermarks(*other: sa.schema.SchemaItem) -> None:
    """Make the table again with other keys, and keep its rows."""
    connection = op.get_bind()
    old = sa.Table("watermark", sa.MetaData(), autoload_with=connection)
    names = ("image_id", "payload", "method", "key_id", "psnr", "created_at")
    kept = connection.execute(sa.select(*(old.c[name] for name in names)).order_by(old.c.image_id)).mappings().all()
    op.drop_table("watermark")
    table = op.create_table(
        "watermark",
        *(item for item in other if isinstance(item, sa.Column)),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("payload", sa.String(12), nullable=False),
        sa.Column("method", sa.String(64), nullable=False),
        sa.Column("key_id", sa.String(8), nullable=False),
        sa.Column("psnr", sa.Double(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        *(item for item in other if not isinstance(item, sa.Column)),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_watermark_image_id_image")),
    )
    op.create_index("ix_watermark_payload", "watermark", ["payload"])
    if kept:
        connection.execute(sa.insert(table), [dict(row) for row in kept])


def _record(*tables: str) -> None:
    """Chain what rows say now; what was changed in them before, nobody can tell."""
    connection = op.get_bind()
    # The tables as they are at this revision; the models are those of the newest.
    metadata = sa.MetaData()
    metadata.reflect(connection, only=[*tables, "ledger_entry"])
    for table in tables:
        ids = connection.scalars(sa.select(metadata.tables[table].c.id)).all()
        record(connection, [(table, row_id) for row_id in ids], metadata)
