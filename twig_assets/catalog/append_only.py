"""What keeps the rows of a table as they were written: triggers that refuse every change, on both databases."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

# Table -> the sets of columns by which a row that is there already is told.
GUARDED: dict[str, tuple[tuple[str, ...], ...]] = {
    "prompt": (("id",), ("batch_key", "position")),
    "model": (("id",), ("sha256",)),
    "image": (("id",), ("prompt_id", "stage", "attempt", "model_id", "settings_sha256")),
    "mask": (("id",), ("image_id", "segmenter")),
    "concept_edit": (("id",),),
    "policy": (("id",), ("sha256",)),
    "corpus_version": (("id",), ("campaign", "sha256")),
    "row_state": (("id",),),
    "report_file": (("id",),),
    "watermark": (("id",), ("image_id",)),
    "marked_file": (("id",),),
}
_SQLITE = ("update", "delete", "replace")
_POSTGRESQL = ("change", "truncate")


def guards(dialect: str, table: str, keys: Sequence[Sequence[str]]) -> list[str]:
    """The statements that make a table append-only.

    Args:
        dialect: `sqlite` or `postgresql`; the latter needs the function `twig_refuse_change`.
        table: Its name.
        keys: The sets of columns that are unique in it.
    """
    if dialect != "sqlite":
        return [
            f"CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION twig_refuse_change()",
            f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION twig_refuse_change()",
        ]
    # REPLACE deletes the old row without firing the trigger on DELETE, unless recursive_triggers is on.
    same = " OR ".join("(" + " AND ".join(f"{name} = NEW.{name}" for name in key) + ")" for key in keys)
    return [
        *(
            f"CREATE TRIGGER {table}_refuse_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            for verb in ("UPDATE", "DELETE")
        ),
        f"CREATE TRIGGER {table}_refuse_replace BEFORE INSERT ON {table} "
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only and has this row already'); END",
    ]


def missing_guards(connection: Connection, tables: Sequence[str]) -> list[tuple[str, str]]:
    """Table and trigger of every guard that is gone, switched off, or refuses nothing any more."""
    sqlite = connection.dialect.name == "sqlite"
    working = _working_on_sqlite(connection) if sqlite else _working_on_postgresql(connection)
    names = [(table, f"{table}_refuse_{what}") for table in tables for what in (_SQLITE if sqlite else _POSTGRESQL)]
    return [(table, name) for table, name in names if (table, name) not in working]


def _working_on_sqlite(connection: Connection) -> set[tuple[str, str]]:
    rows = connection.execute(text("SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger'"))
    return {(table, name) for table, name, sql in rows if "RAISE(ABORT" in (sql or "")}


def _working_on_postgresql(connection: Connection) -> set[tuple[str, str]]:
    rows = connection.execute(
        text(
            "SELECT c.relname, t.tgname, p.prosrc FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "JOIN pg_proc p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')"
        )
    )
    return {(table, name) for table, name, source in rows if "RAISE EXCEPTION" in source.upper()}
