"""Reading files that people give, within bounds: their size, what YAML aliases stand for, numbers and characters."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

LARGEST_INT = 2**63 - 1
"""What a database keeps in a column."""
LONGEST_TEXT = 20_000
# Some aliases are convenient; nine of nine of nine are a bomb.
_ALIASED = 10_000
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class BoundsError(ValueError):
    """A file or a value beyond the bounds; the message says which and what to do, without the file's name."""


def bounded_text(path: Path, largest: int) -> str:
    """Read a text file in UTF-8, with or without a byte order mark.

    Args:
        path: The file.
        largest: Bytes that it may have.

    Raises:
        BoundsError: If it is larger, or no ordinary file.
        OSError: If it cannot be read.
        UnicodeDecodeError: If it is not UTF-8.
    """
    if path.exists() and not path.is_file():
        raise BoundsError("is not a file; put one in its place")
    with path.open("rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise BoundsError(f"has more than {largest / 2**20:g} MiB; split it or make it smaller")
    return content.decode("utf-8-sig")


def bounded_tree(text: str) -> yaml.Node | None:
    """Parse YAML into its tree, in which an alias is the very node that it stands for.

    Raises:
        BoundsError: If its aliases stand for themselves, or for far more than is written.
        yaml.YAMLError: If it is not YAML.
        RecursionError: If it is nested too deeply.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        return None
    sizes: dict[int, int] = {}
    if _size(root, sizes, set()) > 2 * len(sizes) + _ALIASED:
        raise BoundsError("stands for far more values than it holds, through aliases of aliases; write them out")
    return root


def problems_of(value: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where in a value of mappings, lists, numbers and texts something is beyond the bounds, and what.

    Yields:
        The names and indexes that lead there, and the problem with what to do.
    """
    if isinstance(value, dict):
        for name, part in value.items():
            for problem in (*problems_of(name), *problems_of(part)):
                yield (str(name), *problem[0]), problem[1]
    elif isinstance(value, list | tuple | set | frozenset):
        for index, part in enumerate(value):
            yield from (((str(index), *where), what) for where, what in problems_of(part))
    elif isinstance(value, str):
        if what := text_problem(value):
            yield (), what
    elif isinstance(value, float) and not math.isfinite(value):
        yield (), f"{value} is not a finite number; write one"
    elif isinstance(value, int) and abs(value) > LARGEST_INT:
        yield (), "is too large a whole number; write one of at most 18 digits"


def text_problem(text: str) -> str | None:
    """What is wrong with a text that can be kept in no database and no file; None for every other."""
    if match := _UNWRITABLE.search(text):
        return f"holds the character U+{ord(match[0]):04X}, which cannot be kept; type it again"
    if len(text) > LONGEST_TEXT:
        return f"has {len(text):,} characters; write at most {LONGEST_TEXT:,}"
    return None


def _size(node: yaml.Node, sizes: dict[int, int], open_nodes: set[int]) -> int:
    """How many nodes a node stands for, aliases counted at each place."""
    known = sizes.get(id(node))
    if known is not None:
        return known
    if id(node) in open_nodes:
        raise BoundsError("holds an alias inside of what it stands for; write the values out")
    open_nodes.add(id(node))
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        parts = node.value
    elif isinstance(node, yaml.MappingNode):
        parts = [part for pair in node.value for part in pair]
    size = 1 + sum(_size(part, sizes, open_nodes) for part in parts)
    open_nodes.remove(id(node))
    sizes[id(node)] = size
    return size
