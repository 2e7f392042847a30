"""What several migrations do: make a table append-only, and let the ledger chain further tables."""

from collections.abc import Sequence

from alembic import op

from twig_assets.catalog.append_only import guards

_LEDGER_KEYS = (("sequence",), ("previous_sha256",), ("table_name", "row_id"))


def on_sqlite() -> bool:
    """Whether the migration runs on SQLite."""
    return bool(op.get_context().dialect.name == "sqlite")


def keep_append_only(table: str, keys: Sequence[Sequence[str]] = (("id",),)) -> None:
    """Let nothing change, remove or replace the rows of a table; `keys`: the sets of columns that are unique in it."""
    for statement in guards("sqlite" if on_sqlite() else "postgresql", table, keys):
        op.execute(statement)


def let_rows_change(*tables: str) -> None:
    """Take back `keep_append_only`."""
    for table in tables:
        for what in ("update", "delete", "replace") if on_sqlite() else ("change", "truncate"):
            op.execute(f"DROP TRIGGER {table}_refuse_{what}" + ("" if on_sqlite() else f" ON {table}"))


def guard_ledger() -> None:
    """Make the ledger append-only."""
    keep_append_only("ledger_entry", _LEDGER_KEYS)


def let_ledger_chain(tables: Sequence[str]) -> None:
    """Let the ledger have entries of these tables, and of no others."""
    name, listed = op.f("ck_ledger_entry_table_name"), ", ".join(f"'{table}'" for table in tables)
    if on_sqlite():
        # SQLite makes the table anew, whose triggers would refuse that.
        let_rows_change("ledger_entry")
    with op.batch_alter_table("ledger_entry") as batch:
        batch.drop_constraint(name, type_="check")
        batch.create_check_constraint(name, f"table_name IN ({listed})")
    if on_sqlite():
        guard_ledger()
