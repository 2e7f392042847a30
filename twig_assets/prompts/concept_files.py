"""Protected concepts from a `concepts.yaml` or `concepts.csv` file."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from twig_assets.prompts.records import Problems, Record, read_records
from twig_assets.settings.ablation import names

Kind = Literal["object", "style", "memorized"]
FIELDS = ("target", "name", "anchor", "kind", "aliases", "preserve")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MAX_NAME = 60


@dataclass(frozen=True)
class ConceptRow:
    """A protected concept.

    Attributes:
        name: Short name: lower-case letters, digits and hyphens. It names the concept's partition.
        target: The words whose meaning is to be removed.
        anchor: The words whose meaning replaces it; may be empty for a style, which then becomes no style.
        kind: `object`, `style` or `memorized` (one picture that the model has memorised).
        aliases: Other words for the target, removed with it.
        preserve: Words near the target that must keep their meaning.
    """

    name: str
    target: str
    anchor: str
    kind: Kind
    aliases: list[str]
    preserve: list[str]


def read_concepts(path: Path) -> list[ConceptRow]:
    """Read the protected concepts of a campaign; an empty list is allowed.

    YAML holds a list of entries with `target`, `anchor`, `kind` and, optionally, `name`, `aliases` and `preserve`
    (lists). CSV has the same columns, with aliases and preserved words separated by semicolons.

    Raises:
        PromptError: With every problem, each as `file:line: field: what is wrong, what to do`.
    """
    problems = Problems()
    records = read_records(path, FIELDS, problems)
    rows = [(record, row) for record in records if (row := _concept(record, problems))]
    for field in ("name", "target"):
        first: dict[str, int] = {}
        for record, row in rows:
            value = getattr(row, field).casefold()
            line = record.line_of(field)
            if first.setdefault(value, line) != line:
                problems.add(record.file, line, field, f"{value!r} is already in line {first[value]}; keep one")
    problems.raise_if_any()
    return [row for _, row in rows]


def _concept(record: Record, problems: Problems) -> ConceptRow | None:
    before = len(problems.messages)
    target = _text(record, "target", problems)
    anchor = _text(record, "anchor", problems)
    name = _text(record, "name", problems) or "-".join(re.findall(r"[a-z0-9]+", target.lower()))
    kind = _text(record, "kind", problems)
    aliases, preserve = (_words(record, field, problems) for field in ("aliases", "preserve"))
    row = ConceptRow(name, target, anchor, cast(Kind, kind), aliases, preserve)
    if len(problems.messages) == before:
        for field, text in _contradictions(row):
            problems.add(record.file, record.line_of(field), field, text)
    return row if len(problems.messages) == before else None


def _contradictions(row: ConceptRow) -> list[tuple[str, str]]:
    """Field and problem of everything that is missing or contradicts another field."""
    result = []
    kinds = ", ".join(get_args(Kind))
    folded = row.target.casefold()
    if not row.target:
        result.append(("target", "is empty; write the words that are protected"))
    elif not _NAME.fullmatch(row.name) or len(row.name) > _MAX_NAME:
        hint = f"use at most {_MAX_NAME} lower-case letters, digits and hyphens"
        result.append(("name", f"{row.name!r} cannot name a concept; {hint}"))
    if row.kind not in get_args(Kind):
        result.append(("kind", f"{row.kind!r} is not a kind of concept; write one of {kinds}"))
    if not row.anchor and row.kind != "style":
        result.append(("anchor", "is empty; write what shall be drawn instead of the target"))
    if row.target and row.anchor.casefold() == folded:
        result.append(("anchor", "is the same as the target; write something that may be drawn"))
    for word in row.aliases:
        if word.casefold() in {folded, row.anchor.casefold()}:
            result.append(("aliases", f"{word!r} is the target or the anchor itself; delete it"))
    for word in row.preserve:
        if word.casefold() in {folded, *(alias.casefold() for alias in row.aliases)}:
            result.append(("preserve", f"{word!r} is to be removed and cannot be kept as well; delete it in one place"))
        elif row.kind == "object" and (
            removed := next((term for term in (row.target, *row.aliases) if names(word, term)), "")
        ):
            result.append(
                ("preserve", f"{word!r} has {removed!r} in it, which is to be removed; delete it in one place")
            )
    return result


def _text(record: Record, field: str, problems: Problems) -> str:
    value = record.values.get(field, "")
    if value is not None and not isinstance(value, str):
        hint = "put one text in double quotes"
        problems.add(record.file, record.line_of(field), field, f"{value!r} is not a text; {hint}")
    return value.strip() if isinstance(value, str) else ""


def _words(record: Record, field: str, problems: Problems) -> list[str]:
    value = record.values.get(field, "")
    if value is not None and not isinstance(value, str | list):
        problems.add(record.file, record.line_of(field), field, f"{value!r} is not a list of texts; write [one, two]")
    words = value.split(";") if isinstance(value, str) else value if isinstance(value, list) else []
    return [word.strip() for word in words if word.strip()]
