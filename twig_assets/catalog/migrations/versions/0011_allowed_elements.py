"""What people allow of works, and their changes of thresholds, chained; audits without what is allowed; redraws.

The new column of audits is empty in all rows that are there, so the hashes in the ledger stay as they are. The way down
fails where the ledger has entries of either.
"""

import sqlalchemy as sa
from alembic import op

from twig_assets.catalog.guarding import keep_append_only, let_ledger_chain, on_sqlite

revision = "0011"
down_revision = "0010"

BEFORE = ("audit", "audit_match", "review", "adherence", "unread_decision")
NOW = (*BEFORE, "allowed_element", "policy_change")
UNIQUE = ("image_id", "policy_id", "corpus_version_id")
INDEX = "uq_audit_image_policy_corpus_versions"


def upgrade() -> None:
    """Create the tables, let the ledger chain what people decide, and let audits say what they left out."""
    _create_allowed_element()
    _create_redraw_request()
    _create_policy_change()
    _tell_audits_apart_by_what_is_allowed()
    let_ledger_chain(NOW)


def downgrade() -> None:
    """Drop table and column, which fails where the ledger has entries of allowed elements."""
    let_ledger_chain(BEFORE)
    op.drop_index(op.f(INDEX), "audit")
    _replace_trigger("versions = NEW.versions")
    op.drop_column("audit", "allowed")
    op.create_index(op.f(INDEX), "audit", [*UNIQUE, sa.text("CAST(versions AS TEXT)")], unique=True)
    op.drop_table("policy_change")
    op.drop_table("redraw_request")
    op.drop_table("allowed_element")


def _create_allowed_element() -> None:
    op.create_table(
        "allowed_element",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign", sa.String(255), nullable=True),
        sa.Column("work_sha256", sa.String(64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("lifts_id", sa.Integer(), nullable=True),
        sa.Column("until", sa.String(10), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("decision IN ('allow', 'lift')", name=op.f("ck_allowed_element_decision")),
        sa.CheckConstraint("kind IN ('licensed', 'generic')", name=op.f("ck_allowed_element_kind")),
        sa.ForeignKeyConstraint(
            ["lifts_id"], ["allowed_element.id"], name=op.f("fk_allowed_element_lifts_id_allowed_element")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_allowed_element")),
    )
    op.create_index("ix_allowed_element_campaign", "allowed_element", ["campaign"])
    op.create_index("ix_allowed_element_work_sha256", "allowed_element", ["work_sha256"])
    keep_append_only("allowed_element")


def _create_redraw_request() -> None:
    op.create_table(
        "redraw_request",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("prompt_id", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompt.id"], name=op.f("fk_redraw_request_prompt_id_prompt")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_redraw_request")),
    )
    op.create_index("ix_redraw_request_prompt_id", "redraw_request", ["prompt_id"])


def _create_policy_change() -> None:
    op.create_table(
        "policy_change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign", sa.String(255), nullable=False),
        sa.Column("before_sha256", sa.String(64), nullable=False),
        sa.Column("after_sha256", sa.String(64), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_change")),
    )
    op.create_index("ix_policy_change_campaign", "policy_change", ["campaign"])
    keep_append_only("policy_change")


def _tell_audits_apart_by_what_is_allowed() -> None:
    op.add_column("audit", sa.Column("allowed", sa.String(255), nullable=True))
    op.drop_index(op.f(INDEX), "audit")
    told_apart = (sa.text("CAST(versions AS TEXT)"), sa.text("COALESCE(allowed, '')"))
    op.create_index(op.f(INDEX), "audit", [*UNIQUE, *told_apart], unique=True)
    _replace_trigger("versions = NEW.versions", "COALESCE(allowed, '') = COALESCE(NEW.allowed, '')")


def _replace_trigger(*further: str) -> None:
    """REPLACE deletes a row without firing the trigger on DELETE, so an insertion has to look for an equal one."""
    if not on_sqlite():
        return
    same = " AND ".join([*(f"{column} = NEW.{column}" for column in UNIQUE), *further])
    op.execute("DROP TRIGGER audit_refuse_replace")
    op.execute(
        "CREATE TRIGGER audit_refuse_replace BEFORE INSERT ON audit "
        f"WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id OR ({same})) "
        "BEGIN SELECT RAISE(ABORT, 'audit is append-only and has this row already'); END"
    )
