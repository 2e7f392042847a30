"""Assets hold no algorithm: they open, call, and say what was done, in few lines."""

import ast
from pathlib import Path

import pytest

import twig_assets.assets

LIMIT = 25
DECORATORS = {"asset", "asset_check", "multi_asset_check"}
MODULES = sorted(Path(twig_assets.assets.__file__).parent.glob("*.py"))


def decorated(tree: ast.Module) -> list[ast.FunctionDef]:
    """The functions of assets and checks in a module."""
    return [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(d, ast.Call) and getattr(d.func, "attr", "") in DECORATORS for d in node.decorator_list)
    ]


def lines_of_code(function: ast.FunctionDef, source: list[str]) -> int:
    """Lines of the body that hold code: neither decorators, signature and docstring, nor blank lines and comments."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    lines = source[body[0].lineno - 1 : function.end_lineno]
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in lines)


def test_lines_are_counted_without_signature_docstring_comments_and_blank_lines() -> None:
    source = 'def f(\n    a,\n):\n    """Doc."""\n\n    # why\n    b = [\n        a,\n    ]\n\n    return b\n'
    [function] = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    assert lines_of_code(function, source.splitlines()) == 4


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_no_asset_and_no_check_has_more_lines_than_the_limit(module: Path) -> None:
    text = module.read_text()
    counts = {f.name: lines_of_code(f, text.splitlines()) for f in decorated(ast.parse(text))}
    assert module.stem == "__init__" or counts
    assert {name: count for name, count in counts.items() if count > LIMIT} == {}
