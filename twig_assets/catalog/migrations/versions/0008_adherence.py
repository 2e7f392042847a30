"""Verdicts on whether an image shows its prompt, with what calibrates them; they are chained like audits.

The margins that were kept beside images compared them with their batch's other prompts and are of no use to a judge
that compares with everything it can name; they are dropped. No image has a verdict yet, so what is published stays so
until its batch is judged. The way down drops the verdicts and their entries' places in the chain, which therefore has
to be the newest entries' only: it fails where other rows were chained after a verdict.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

BEFORE = ("audit", "audit_match", "review")
NOW = (*BEFORE, "adherence")


def upgrade() -> None:
    """Create the tables, let the ledger chain the verdicts, and drop the margins."""
    _create_tables()
    _let_ledger_chain(NOW)
    op.drop_column("image", "adherence")


def downgrade() -> None:
    """Drop the verdicts, which fails where the ledger has entries of them."""
    _let_ledger_chain(BEFORE)
    op.drop_table("adherence")
    op.drop_table("judge_calibration")
    op.add_column("image", sa.Column("adherence", sa.Double(), nullable=True))


def _create_tables() -> None:
    op.create_table(
        "judge_calibration",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("judge_sha256", sa.String(64), nullable=False),
        sa.Column("base_sha256", sa.String(64), nullable=False),
        sa.Column("margins", sa.JSON(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judge_calibration")),
        sa.UniqueConstraint(
            "judge_sha256", "base_sha256", name=op.f("uq_judge_calibration_judge_sha256_base_sha256")
        ),
    )
    op.create_table(
        "adherence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("judge_sha256", sa.String(64), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("taken_for", sa.Text(), nullable=True),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("run_id", sa.String(255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adherence")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk_adherence_image_id_image")),
        sa.CheckConstraint("verdict IN ('as_asked', 'not_as_asked', 'cannot_tell')", name=op.f("ck_adherence_verdict")),
    )
    op.create_index(op.f("ix_adherence_run_id"), "adherence", ["run_id"])
    op.create_index("ix_adherence_image_id_judge_sha256", "adherence", ["image_id", "judge_sha256"])
    _keep_append_only("adherence", ["id = NEW.id"])


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
