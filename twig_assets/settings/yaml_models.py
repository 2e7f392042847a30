"""Read a YAML file into a pydantic model, so that every mistake is reported with its file, line and field."""

from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from twig_assets.settings.bounded import BoundsError, bounded_text, bounded_tree, problems_of

LARGEST = 4 << 20
"""Bytes of a file of settings."""

SMALL = 1 << 16
"""Characters of a file up to which what it says is remembered, since a batch asks for it hundreds of times."""

Model = TypeVar("Model", bound=BaseModel)


class YamlModelError(ValueError):
    """A file that does not hold what the model wants; each line `file:line: field: what, what to do`."""


def read_model(path: Path, model: type[Model], given: dict[str, Any] | None = None) -> Model:
    """Read and validate a YAML mapping; an empty file takes every default.

    Args:
        path: The file, UTF-8.
        model: The pydantic model. Unknown keys are refused when its configuration forbids extras.
        given: Fields that the caller sets and the file may not.

    Raises:
        YamlModelError: If the file cannot be read, is not YAML, or does not fit the model.
    """
    try:
        text = bounded_text(path, LARGEST)
    except OSError as error:
        raise YamlModelError(f"{path}: file: cannot be read ({error.strerror}); check that it exists") from error
    except UnicodeDecodeError as error:
        raise YamlModelError(f"{path}: file: is not UTF-8 text; save it again with that encoding") from error
    except BoundsError as error:
        raise YamlModelError(f"{path}: file: {error}") from error
    valid = _remembered if len(text) <= SMALL else _valid
    fields: Model = valid(path, text, model, tuple((given or {}).items()))
    return fields


def _valid(path: Path, text: str, model: type[BaseModel], given: tuple[tuple[str, Any], ...]) -> Any:
    """The model that a file's text gives; `given`: names and values of the fields that the caller sets."""
    try:
        root = bounded_tree(text)
        data = yaml.safe_load(text) if root else {}
    except BoundsError as error:
        raise YamlModelError(f"{path}: file: {error}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise YamlModelError(f"{place}: file: is not valid YAML: {_reason(error)}; mend it there") from error
    if not isinstance(data, dict):
        raise YamlModelError(f"{path}:1: file: must hold fields, each written as 'name: value'")
    problems = [
        f"{path}:{_line(root, (key,))}: {key}: cannot be set here; delete it" for key in data if key in dict(given)
    ]
    problems += [f"{path}:{line}: {key}: is there twice; keep one" for key, line in _repeated(root)]
    try:
        valid = model.model_validate({**data, **dict(given)})
    except ValidationError as error:
        problems += [_complaint(path, root, detail) for detail in error.errors()]
    else:
        problems += [_beyond(path, root, where, what) for where, what in problems_of(valid.model_dump())]
    if problems:
        raise YamlModelError("\n".join(problems))
    return valid


# An edited file has another text, and the models are frozen. What is wrong is not remembered.
_remembered = lru_cache(maxsize=128)(_valid)


def _reason(error: Exception) -> str:
    return getattr(error, "problem", None) or str(error).splitlines()[0]


def _complaint(path: Path, root: yaml.Node | None, detail: Any) -> str:
    loc = tuple(str(part) for part in detail["loc"])
    line = _line(root, loc)
    place = str(path) if line is None else f"{path}:{line}"
    if detail["type"] == "extra_forbidden":
        return f"{place}: {'.'.join(loc)}: unknown field; delete it or check its spelling"
    if detail["type"] == "missing":
        return f"{place}: {'.'.join(loc)}: is missing; write it"
    value = f", found {detail['input']!r}" if not isinstance(detail["input"], dict) else ""
    return f"{place}: {'.'.join(loc) or 'file'}: {detail['msg']}{value}; change it"


def _beyond(path: Path, root: yaml.Node | None, where: tuple[str, ...], what: str) -> str:
    line = _line(root, where)
    return f"{path if line is None else f'{path}:{line}'}: {'.'.join(where)}: {what}"


def _line(node: yaml.Node | None, loc: tuple[str, ...]) -> int | None:
    """The line of the deepest part of `loc` that the file has."""
    line = None
    for part in loc:
        if isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
            continue
        if not isinstance(node, yaml.MappingNode):
            break
        node = next((value for key, value in node.value if getattr(key, "value", None) == part), None)
        line = node.start_mark.line + 1 if node else line
    return line


def _repeated(node: yaml.Node | None) -> list[tuple[str, int]]:
    if not isinstance(node, yaml.MappingNode):
        return []
    repeated, seen = [], set()
    for key, value in node.value:
        name = str(key.value)
        if name in seen:
            repeated.append((name, key.start_mark.line + 1))
        seen.add(name)
        repeated += _repeated(value)
    return repeated
