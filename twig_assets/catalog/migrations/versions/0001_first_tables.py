"""The first tables. There is no way back down: it would delete the audits, which nothing may.

The triggers that keep audit, audit_match and review append-only live here and not in the code, so that they also hold
for whoever opens the database with another tool.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# The columns by which a new row could displace an old one (INSERT OR REPLACE), per append-only table.
APPEND_ONLY = {
    "audit": ("image_id", "policy_id", "corpus_version_id"),
    "audit_match": ("audit_id", "rank"),
    "review": (),
}


def upgrade() -> None:
    """Create all tables and triggers."""
    _create_prompts()
    _create_models()
    _create_references()
    _create_images()
    _create_audits()
    _create_releases()
    if op.get_context().dialect.name == "postgresql":
        _keep_append_only_on_postgresql()
    else:
        _keep_append_only_on_sqlite()


def _moment(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _sha256(name: str, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.String(64), nullable=nullable)


def _json(name: str) -> sa.Column:
    return sa.Column(name, sa.JSON(), nullable=False)


def _id() -> sa.Column:
    return sa.Column("id", sa.Integer(), nullable=False)


def _key(table: str, column: str, parent: str, parent_column: str = "id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{parent}.{parent_column}"], name=op.f(f"fk_{table}_{column}_{parent}"))


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def _one_of(table: str, column: str, *values: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=op.f(f"ck_{table}_{column}"))


def _primary(table: str, column: str = "id") -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(column, name=op.f(f"pk_{table}"))


def _index(table: str, column: str) -> None:
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def _create_prompts() -> None:
    op.create_table(
        "prompt_batch",
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("campaign", sa.String(255), nullable=False),
        _moment("created_at"),
        _primary("prompt_batch", "key"),
    )
    _index("prompt_batch", "campaign")
    op.create_table(
        "prompt",
        _id(),
        sa.Column("batch_key", sa.String(255), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        _sha256("sha256"),
        _primary("prompt"),
        _key("prompt", "batch_key", "prompt_batch", "key"),
        _unique("prompt", "batch_key", "position"),
    )


def _create_models() -> None:
    op.create_table(
        "concept",
        _id(),
        sa.Column("campaign", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("anchor", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        _json("aliases"),
        _json("preserve"),
        sa.Column("active", sa.Boolean(), nullable=False),
        _primary("concept"),
        _unique("concept", "campaign", "name"),
        _one_of("concept", "kind", "object", "style", "memorized"),
    )
    op.create_table(
        "concept_edit",
        _id(),
        sa.Column("concept_id", sa.Integer(), nullable=False),
        _sha256("base_sha256"),
        sa.Column("method", sa.String(64), nullable=False),
        _json("settings"),
        _sha256("settings_sha256"),
        _sha256("weights_sha256"),
        _json("evaluation"),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        _moment("created_at"),
        _primary("concept_edit"),
        _key("concept_edit", "concept_id", "concept"),
    )
    _index("concept_edit", "concept_id")
    op.create_table(
        "model",
        _id(),
        _sha256("sha256"),
        sa.Column("checkpoint", sa.Text(), nullable=False),
        _sha256("base_sha256"),
        _json("edits"),
        _moment("created_at"),
        _primary("model"),
        _unique("model", "sha256"),
    )


def _create_references() -> None:
    op.create_table(
        "reference",
        _id(),
        sa.Column("campaign", sa.String(255), nullable=False),
        _sha256("sha256"),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("rights_holder", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        _moment("added_at"),
        _primary("reference"),
        _unique("reference", "campaign", "sha256"),
        _one_of("reference", "status", "active", "withdrawn"),
    )
    op.create_table(
        "corpus_version",
        _id(),
        sa.Column("campaign", sa.String(255), nullable=False),
        _sha256("sha256"),
        _json("members"),
        _moment("created_at"),
        _primary("corpus_version"),
        _unique("corpus_version", "campaign", "sha256"),
    )


def _create_images() -> None:
    op.create_table(
        "image",
        _id(),
        _sha256("sha256"),
        sa.Column("prompt_id", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        _json("settings"),
        _sha256("settings_sha256"),
        sa.Column("run_id", sa.String(255), nullable=False),
        _moment("created_at"),
        _primary("image"),
        _key("image", "prompt_id", "prompt"),
        _key("image", "model_id", "model"),
        _key("image", "parent_id", "image"),
        _unique("image", "prompt_id", "stage", "attempt", "model_id", "settings_sha256"),
        _one_of("image", "stage", "generated", "regenerated"),
    )
    for column in ("sha256", "parent_id", "run_id"):
        _index("image", column)
    op.create_table(
        "mask",
        _id(),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("segmenter", sa.String(255), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("area", sa.Double(), nullable=False),
        _sha256("sha256", nullable=True),
        _json("ranked"),
        _moment("created_at"),
        _primary("mask"),
        _key("mask", "image_id", "image"),
        _unique("mask", "image_id", "segmenter"),
        _one_of("mask", "outcome", "ok", "empty", "full"),
    )


def _create_audits() -> None:
    op.create_table(
        "policy",
        _id(),
        _sha256("sha256"),
        _json("body"),
        _moment("created_at"),
        _primary("policy"),
        _unique("policy", "sha256"),
    )
    op.create_table(
        "audit",
        _id(),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("policy_id", sa.Integer(), nullable=False),
        sa.Column("corpus_version_id", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        _json("reasons"),
        sa.Column("nearest_reference_id", sa.Integer(), nullable=True),
        _json("scores"),
        _json("thresholds"),
        _json("versions"),
        sa.Column("run_id", sa.String(255), nullable=False),
        _moment("created_at"),
        _primary("audit"),
        _key("audit", "image_id", "image"),
        _key("audit", "policy_id", "policy"),
        _key("audit", "corpus_version_id", "corpus_version"),
        _key("audit", "nearest_reference_id", "reference"),
        _unique("audit", "image_id", "policy_id", "corpus_version_id"),
        _one_of("audit", "verdict", "pass", "review", "fail", "inconclusive"),
    )
    _index("audit", "run_id")
    op.create_table(
        "audit_match",
        _id(),
        sa.Column("audit_id", sa.Integer(), nullable=False),
        sa.Column("reference_id", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        _json("scores"),
        sa.Column("transform", sa.String(64), nullable=False),
        _primary("audit_match"),
        _key("audit_match", "audit_id", "audit"),
        _key("audit_match", "reference_id", "reference"),
        _unique("audit_match", "audit_id", "rank"),
    )
    op.create_table(
        "review",
        _id(),
        sa.Column("audit_id", sa.Integer(), nullable=False),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        _moment("created_at"),
        _primary("review"),
        _key("review", "audit_id", "audit"),
        _one_of("review", "decision", "waive", "reject"),
    )
    _index("review", "audit_id")


def _create_releases() -> None:
    op.create_table(
        "release",
        _id(),
        sa.Column("prompt_id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("audit_id", sa.Integer(), nullable=False),
        _moment("released_at"),
        _moment("withdrawn_at", nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        _primary("release"),
        _key("release", "prompt_id", "prompt"),
        _key("release", "image_id", "image"),
        _key("release", "audit_id", "audit"),
    )
    _index("release", "prompt_id")
    _index("release", "image_id")


def _keep_append_only_on_sqlite() -> None:
    for table, unique in APPEND_ONLY.items():
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_refuse_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        # REPLACE deletes the old row without firing the trigger on DELETE, unless recursive_triggers is on.
        same = " AND ".join(f"{column} = NEW.{column}" for column in unique)
        displaced = f"id = NEW.id OR ({same})" if same else "id = NEW.id"
        op.execute(
            f"CREATE TRIGGER {table}_refuse_replace BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {displaced}) "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only and has this row already'); END"
        )


def _keep_append_only_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION twig_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only', ERRCODE = 'restrict_violation'; "
        "END $$"
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION twig_refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION twig_refuse_change()"
        )
