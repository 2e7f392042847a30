"""Entries of a YAML list or a CSV table, with the line of every field, and the problems that they have."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import yaml

from twig_assets.settings.bounded import BoundsError, bounded_text, bounded_tree, problems_of

LARGEST = 128 << 20
"""Bytes of a file of prompts or concepts; a million prompts have less."""

Value = str | int | list[str] | None
_READS_AS = {"bool": "a yes/no value", "float": "a number", "timestamp": "a date", "merge": "a merge key"}


class PromptError(ValueError):
    """Prompt or concept files that cannot be used; the message has one line per problem.

    Attributes:
        problems: Each reads `file:line: field: what is wrong, what to do`.
    """

    def __init__(self, problems: list[str]) -> None:
        """Join the problems into one message."""
        super().__init__("\n".join(problems))
        self.problems = problems


class Problems:
    """Collects what is wrong with input files, so that a person can correct all of it at once."""

    def __init__(self) -> None:
        """Start with none."""
        self.messages: list[str] = []

    def add(self, file: str, line: int | None, field: str, text: str) -> None:
        """Add a problem; `line` counts from 1 and is None for the file as a whole."""
        location = file if line is None else f"{file}:{line}"
        self.messages.append(f"{location}: {field}: {text}")

    def raise_if_any(self) -> None:
        """Raise PromptError when there are problems."""
        if self.messages:
            raise PromptError(self.messages)


@dataclass(frozen=True)
class Record:
    """One entry of a file.

    Attributes:
        file: The path as messages show it.
        line: Line of the entry, from 1.
        values: Field name -> value; CSV gives only text.
        lines: Field name -> its line.
    """

    file: str
    line: int
    values: dict[str, Value]
    lines: dict[str, int]

    def line_of(self, field: str) -> int:
        """The line of a field, or of the entry when the field is missing."""
        return self.lines.get(field, self.line)


def read_records(path: Path, fields: tuple[str, ...], problems: Problems) -> list[Record]:
    """Read the entries of a `.yaml` or `.csv` file.

    Args:
        path: The file; UTF-8 with or without a byte order mark.
        fields: The fields an entry may have. In YAML a bare string stands for the first of them; a CSV file must
            have the first as a column.
        problems: Receives what is wrong with the form of the file.

    Returns:
        The entries without such problems, in file order.
    """
    try:
        text = bounded_text(path, LARGEST)
    except OSError as error:
        problems.add(str(path), None, "file", f"cannot be read ({error.strerror}); check that it exists")
        return []
    except BoundsError as error:
        problems.add(str(path), None, "file", str(error))
        return []
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        problems.add(str(path), line, "file", "is not UTF-8 text; save it again with that encoding")
        return []
    parse = _csv_records if path.suffix == ".csv" else _yaml_records
    return [record for record in parse(str(path), text, fields, problems) if _within_bounds(record, problems)]


def _within_bounds(record: Record, problems: Problems) -> bool:
    found = list(problems_of(record.values))
    for where, what in found:
        problems.add(record.file, record.line_of(where[0]), where[0], what)
    return not found


def _csv_records(file: str, text: str, fields: tuple[str, ...], problems: Problems) -> list[Record]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    records: list[Record] = []
    header: list[str] = []
    line = 1
    try:
        for cells in rows:
            if not header and any(cells):
                header = [cell.strip() for cell in cells]
                if not _header_is_right(file, line, header, fields, problems):
                    return []
            elif any(cell.strip() for cell in cells):
                if len(cells) != len(header):
                    hint = "put a text that holds a comma in double quotes"
                    problems.add(file, line, "row", f"has {len(cells)} cells but the header has {len(header)}; {hint}")
                else:
                    values: dict[str, Value] = dict(zip(header, cells, strict=True))
                    records.append(Record(file, line, values, dict.fromkeys(header, line)))
            line = rows.line_num + 1
    except csv.Error as error:
        problems.add(file, line, "row", f"is not valid CSV ({error}); check its double quotes")
        return records
    if not header:
        problems.add(file, None, "file", f"is empty; start it with the header {','.join(fields)}")
    return records


def _header_is_right(file: str, line: int, header: list[str], fields: tuple[str, ...], problems: Problems) -> bool:
    before = len(problems.messages)
    for name in header:
        if name not in fields:
            problems.add(file, line, name or "header", f"unknown column; the columns are {', '.join(fields)}")
        elif header.count(name) > 1:
            problems.add(file, line, name, "this column is there more than once; keep one")
    if fields[0] not in header:
        problems.add(file, line, fields[0], f"this column is missing; start the file with {','.join(fields)}")
    return len(problems.messages) == before


def _yaml_records(file: str, text: str, fields: tuple[str, ...], problems: Problems) -> list[Record]:
    try:
        root = bounded_tree(text)
    except BoundsError as error:
        problems.add(file, None, "file", str(error))
        return []
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        problems.add(file, mark.line + 1 if mark else None, "file", f"is not valid YAML: {reason}; correct it there")
        return []
    except RecursionError:
        problems.add(file, None, "file", "is nested too deeply; write a plain list of entries")
        return []
    if root is None:
        return []
    if not isinstance(root, yaml.SequenceNode):
        problems.add(file, _line(root), "file", "must be a list; begin each entry with '- '")
        return []
    return [record for node in root.value if (record := _yaml_record(file, node, fields, problems))]


def _yaml_record(file: str, node: yaml.Node, fields: tuple[str, ...], problems: Problems) -> Record | None:
    line = _line(node)
    if isinstance(node, yaml.ScalarNode):
        return Record(file, line, {fields[0]: _scalar(file, fields[0], node, problems)}, {fields[0]: line})
    if not isinstance(node, yaml.MappingNode):
        problems.add(file, line, fields[0], f"is a list; write a text, or fields named {', '.join(fields)}")
        return None
    values: dict[str, Value] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else "field"
        if name not in fields:
            problems.add(file, _line(key), name, f"unknown field; the fields are {', '.join(fields)}")
        elif name in values:
            problems.add(file, _line(key), name, f"is there twice, first in line {lines[name]}; keep one")
        else:
            lines[name] = _line(value)
            values[name] = _value(file, name, value, problems)
    return Record(file, line, values, lines)


def _value(file: str, field: str, node: yaml.Node, problems: Problems) -> Value:
    if isinstance(node, yaml.ScalarNode):
        return _scalar(file, field, node, problems)
    if isinstance(node, yaml.SequenceNode) and all(isinstance(item, yaml.ScalarNode) for item in node.value):
        return [str(item.value) for item in node.value]
    problems.add(file, _line(node), field, "must be a text or a list of texts")
    return None


def _scalar(file: str, field: str, node: yaml.ScalarNode, problems: Problems) -> str | int | None:
    kind = node.tag.rsplit(":", 1)[-1]
    if kind == "str":
        return str(node.value)
    if kind == "null":
        return ""
    if kind == "int":
        try:
            return int(yaml.safe_load(node.value))
        except ValueError:
            problems.add(file, _line(node), field, "is not a whole number that can be read; write its digits")
            return None
    read = _READS_AS.get(kind, kind)
    problems.add(file, _line(node), field, f"{node.value!r} reads as {read}; put it in double quotes")
    return None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
