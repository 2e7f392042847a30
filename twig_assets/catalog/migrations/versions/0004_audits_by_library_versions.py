"""An image may be audited again under the same policy and corpus by other library versions; the newest audit counts.

No column is added, so the hashes in the ledger stay as they are. The way down fails where an image has such audits.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

OLD = ("image_id", "policy_id", "corpus_version_id")
UNIQUE = (*OLD, "CAST(versions AS TEXT)")
OLD_NAME, NAME = "uq_audit_image_id_policy_id_corpus_version_id", "uq_audit_image_policy_corpus_versions"


def upgrade() -> None:
    """Let the library versions tell audits apart."""
    _open_to_changes()
    with op.batch_alter_table("audit") as batch:
        batch.drop_constraint(op.f(OLD_NAME), type_="unique")
    op.create_index(op.f(NAME), "audit", [*OLD, sa.text(UNIQUE[-1])], unique=True)
    _close_to_changes([*(f"{column} = NEW.{column}" for column in OLD), "versions = NEW.versions"])


def downgrade() -> None:
    """Allow one audit per image, policy and corpus."""
    op.drop_index(op.f(NAME), "audit")
    _open_to_changes()
    with op.batch_alter_table("audit") as batch:
        batch.create_unique_constraint(op.f(OLD_NAME), list(OLD))
    _close_to_changes([f"{column} = NEW.{column}" for column in OLD])


def _on_sqlite() -> bool:
    return op.get_context().dialect.name == "sqlite"


def _open_to_changes() -> None:
    """SQLite makes the table anew, whose triggers would refuse that."""
    if _on_sqlite():
        for what in ("update", "delete", "replace"):
            op.execute(f"DROP TRIGGER audit_refuse_{what}")


def _close_to_changes(same: list[str]) -> None:
    if not _on_sqlite():
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_refuse_{verb.lower()} BEFORE {verb} ON audit "
            "BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END"
        )
    op.execute(
        "CREATE TRIGGER audit_refuse_replace BEFORE INSERT ON audit "
        f"WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id OR ({' AND '.join(same)})) "
        "BEGIN SELECT RAISE(ABORT, 'audit is append-only and has this row already'); END"
    )
