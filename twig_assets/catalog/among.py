"""Conditions on members of a list of any length.

A list written out takes a variable for each member, and databases bear few: SQLite 32,766, PostgreSQL 65,535. Here the
list is one variable, a JSON array, which the database takes apart.
"""

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, String, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


def among(
    column: ColumnElement[Any] | InstrumentedAttribute[Any], values: Iterable[int] | Iterable[str]
) -> ColumnElement[bool]:
    """Whether a column's value is one of a list, as `column.in_(values)` says for short lists.

    Args:
        column: A column of whole numbers or of text.
        values: Whole numbers or texts, any number of them; none makes the condition false.
    """
    listed = (_Texts if isinstance(column.type, String) else _Numbers)(literal(json.dumps(list(values))))
    return column.op("IN", is_comparison=True)(listed)


class _Numbers(FunctionElement[Any]):
    name = "numbers_of"
    inherit_cache = True


class _Texts(FunctionElement[Any]):
    name = "texts_of"
    inherit_cache = True


@compiles(_Numbers, "sqlite")
@compiles(_Texts, "sqlite")
def _on_sqlite(element: FunctionElement[Any], compiler: SQLCompiler, **how: Any) -> str:
    return f"(SELECT value FROM json_each({compiler.process(element.clauses, **how)}))"


@compiles(_Numbers, "postgresql")
def _numbers_on_postgresql(element: FunctionElement[Any], compiler: SQLCompiler, **how: Any) -> str:
    array = compiler.process(element.clauses, **how)
    return f"(SELECT CAST(value AS BIGINT) FROM jsonb_array_elements_text(CAST({array} AS JSONB)))"


@compiles(_Texts, "postgresql")
def _texts_on_postgresql(element: FunctionElement[Any], compiler: SQLCompiler, **how: Any) -> str:
    return f"(SELECT value FROM jsonb_array_elements_text(CAST({compiler.process(element.clauses, **how)} AS JSONB)))"
