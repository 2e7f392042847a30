"""What happens to releases, chained in the ledger, with an event for every release that is there; unsigned images.

The way down drops both, which fails where the ledger has entries of releases.
"""

import sqlalchemy as sa
from alembic import op

from twig_assets.catalog.guarding import keep_append_only, let_ledger_chain
from twig_assets.catalog.ledger import record

revision = "0012"
down_revision = "0011"

BEFORE = ("audit", "audit_match", "review", "adherence", "unread_decision", "allowed_element", "policy_change")
NOW = (*BEFORE, "release_event")


def upgrade() -> None:
    """Create the tables, give the releases that are there their events, and let the ledger chain them."""
    op.create_table("release_event", *_columns())
    for column in ("release_id", "image_id", "published_sha256"):
        op.create_index(f"ix_release_event_{column}", "release_event", [column])
    op.create_table(
        "unsigned_image",
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_unsigned_image")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_unsigned_image_image_id_image")),
    )
    let_ledger_chain(NOW)
    _add_events()
    keep_append_only("release_event")


def downgrade() -> None:
    """Drop the tables, which fails where the ledger has entries of releases."""
    let_ledger_chain(BEFORE)
    op.drop_table("unsigned_image")
    op.drop_table("release_event")


def _columns() -> list[sa.schema.SchemaItem]:
    parents = {"release_id": "release", "prompt_id": "prompt", "image_id": "image", "audit_id": "audit"}
    return [
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("event", sa.String(16), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in parents),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("published_sha256", sa.String(64), nullable=True),
        sa.Column("credential", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release_event")),
        *(
            sa.ForeignKeyConstraint([name], [f"{table}.id"], name=op.f(f"fk_release_event_{name}_{table}"))
            for name, table in parents.items()
        ),
        sa.CheckConstraint("event IN ('released', 'signed', 'withdrawn')", name=op.f("ck_release_event_event")),
    ]


def _add_events() -> None:
    """Write down what the rows of releases say now; what was changed in them before, nobody can tell."""
    same = "id, prompt_id, image_id, audit_id"
    fields = "release_id, prompt_id, image_id, audit_id, event, at, reason, credential"
    op.execute(
        f"INSERT INTO release_event ({fields}) SELECT {same}, 'released', released_at, NULL, '{{}}' FROM release "
        "ORDER BY id"
    )
    op.execute(
        f"INSERT INTO release_event ({fields}) SELECT {same}, 'withdrawn', withdrawn_at, reason, '{{}}' FROM release "
        "WHERE withdrawn_at IS NOT NULL ORDER BY id"
    )
    connection = op.get_bind()
    ids = connection.scalars(sa.text("SELECT id FROM release_event")).all()
    if ids:
        # The tables as they are at this revision; the models are those of the newest.
        metadata = sa.MetaData()
        metadata.reflect(connection, only=["release_event", "ledger_entry"])
        record(connection, [("release_event", row_id) for row_id in ids], metadata)
