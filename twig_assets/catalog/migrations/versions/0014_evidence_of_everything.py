"""The ledger chains what images are made from and of, and the states of rows that may change; reports are recorded.

Prompts, models, images, masks, edits, policies and corpus versions become append-only. The way down makes another
chain, to which the heads in older reports do not belong.
"""

import sqlalchemy as sa
from alembic import op

from twig_assets.catalog.append_only import GUARDED
from twig_assets.catalog.guarding import guard_ledger, keep_append_only, let_ledger_chain, let_rows_change
from twig_assets.catalog.ledger import record
from twig_assets.catalog.row_states import STATED, state_of

revision = "0014"
down_revision = "0013"

BEFORE = (
    "audit",
    "audit_match",
    "review",
    "adherence",
    "unread_decision",
    "allowed_element",
    "policy_change",
    "release_event",
)
NOW = (
    *BEFORE,
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
OLD = ("prompt", "model", "image", "mask", "concept_edit", "policy", "corpus_version")


def upgrade() -> None:
    """Create the tables, record what is there, and let nothing of it change any more."""
    op.create_table(
        "row_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("table_name", sa.String(16), nullable=False),
        sa.Column("row_id", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_row_state")),
    )
    op.create_index("ix_row_state_table_name_row_id", "row_state", ["table_name", "row_id"])
    op.create_table(
        "report_file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign", sa.String(255), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_file")),
    )
    op.create_index("ix_report_file_campaign", "report_file", ["campaign"])
    let_ledger_chain(NOW)
    _record_what_is_there()
    for table in (*OLD, "row_state", "report_file"):
        keep_append_only(table, GUARDED[table])


def downgrade() -> None:
    """Drop the tables, let rows change again, and make another chain over what was chained before."""
    let_rows_change(*OLD, "ledger_entry")
    op.execute("DELETE FROM ledger_entry")
    guard_ledger()
    let_ledger_chain(BEFORE)
    connection = op.get_bind()
    metadata = sa.MetaData()
    metadata.reflect(connection, only=[*BEFORE, "ledger_entry"])
    for table in BEFORE:
        ids = connection.scalars(sa.select(metadata.tables[table].c.id)).all()
        record(connection, [(table, row_id) for row_id in ids], metadata)
    op.drop_table("report_file")
    op.drop_table("row_state")


def _record_what_is_there() -> None:
    """Write down what rows say now; what was changed in them before, nobody can tell."""
    connection = op.get_bind()
    # The tables as they are at this revision; the models are those of the newest.
    metadata = sa.MetaData()
    metadata.reflect(connection, only=[*OLD, *STATED, "row_state", "ledger_entry"])
    for table in STATED:
        ids = connection.scalars(sa.select(metadata.tables[table].c.id)).all()
        states = [state_of(connection, table, row_id, metadata) for row_id in ids]
        if states:
            connection.execute(sa.insert(metadata.tables["row_state"]), [state for state in states if state])
    for table in (*OLD, "row_state"):
        ids = connection.scalars(sa.select(metadata.tables[table].c.id)).all()
        record(connection, [(table, row_id) for row_id in ids], metadata)
