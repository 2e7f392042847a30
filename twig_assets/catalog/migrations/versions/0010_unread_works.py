"""The files of a corpus that nothing is compared with, and what people decide about them, chained; notes on works.

The way down drops both, which fails where the ledger has entries of decisions.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

BEFORE = ("audit", "audit_match", "review", "adherence")
NOW = (*BEFORE, "unread_decision")


def upgrade() -> None:
    """Create the tables, let the ledger chain the decisions, and give works their notes."""
    op.add_column("reference", sa.Column("notes", sa.JSON(), nullable=False, server_default="[]"))
    op.create_table("unread_work", *_about_a_file("unread_work"), *_times_found())
    op.create_index("ix_unread_work_campaign", "unread_work", ["campaign"])
    op.create_table(
        "unread_decision",
        *_about_a_file("unread_decision"),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("decision IN ('accept', 'lift')", name=op.f("ck_unread_decision_decision")),
    )
    op.create_index("ix_unread_decision_campaign", "unread_decision", ["campaign"])
    _keep_append_only("unread_decision", ["id = NEW.id"])
    _let_ledger_chain(NOW)


def downgrade() -> None:
    """Drop the tables, which fails where the ledger has entries of decisions."""
    _let_ledger_chain(BEFORE)
    op.drop_table("unread_decision")
    op.drop_table("unread_work")
    op.drop_column("reference", "notes")


def _about_a_file(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign", sa.String(255), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def _times_found() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
    ]


def _let_ledger_chain(tables: tuple[str, ...]) -> None:
    name, listed = op.f("ck_ledger_entry_table_name"), ", ".join(f"'{table}'" for table in tables)
    if _on_sqlite():
        # SQLite makes the table anew, whose triggers would refuse that.
        for what in ("update", "delete", "replace"):
            op.execute(f"DROP TRIGGER ledger_entry_refuse_{what}")
    with op.batch_alter_table("ledger_entry") as batch:
        batch.drop_constraint(name, type_="check")
        batch.create_check_constraint(name, f"table_name IN ({listed})")
    if _on_sqlite():
        same = ["sequence = NEW.sequence", "previous_sha256 = NEW.previous_sha256"]
        _keep_append_only("ledger_entry", [*same, "(table_name = NEW.table_name AND row_id = NEW.row_id)"])


def _on_sqlite() -> bool:
    return op.get_context().dialect.name == "sqlite"


def _keep_append_only(table: str, same: list[str]) -> None:
    if not _on_sqlite():
        op.execute(
            f"CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION twig_refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION twig_refuse_change()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_refuse_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
    # REPLACE deletes the old row without firing the trigger on DELETE, unless recursive_triggers is on.
    op.execute(
        f"CREATE TRIGGER {table}_refuse_replace BEFORE INSERT ON {table} "
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {' OR '.join(same)}) "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only and has this row already'); END"
    )
