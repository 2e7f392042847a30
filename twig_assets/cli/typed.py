"""Options that become typed settings: what is wrong with one is said by its name."""

from typing import Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

Settings = TypeVar("Settings", bound=BaseModel)


def given(**options: Any) -> dict[str, Any]:
    """The options that somebody gave."""
    return {name: value for name, value in options.items() if value not in (None, [], ())}


def typed(settings: type[Settings], options: dict[str, Any], names: dict[str, str] | None = None) -> Settings:
    """Settings made of options.

    Args:
        settings: Their class.
        options: Field -> value.
        names: Field -> the option's name, where it is another.

    Raises:
        typer.BadParameter: With every option that is wrong.
    """
    try:
        return settings.model_validate(options)
    except ValidationError as error:
        named = names or {}
        problems = []
        for detail in error.errors():
            field = str(detail["loc"][0]) if detail["loc"] else ""
            option = f"--{named.get(field, field).replace('_', '-')}: " if field else ""
            problems.append(f"{option}{detail['msg'].removeprefix('Value error, ')}")
        raise typer.BadParameter("; ".join(problems)) from error


def width_and_height(size: str | None) -> dict[str, int]:
    """`768x512` as width and height; none given is the checkpoint's own.

    Raises:
        typer.BadParameter: If it is something else.
    """
    if size is None:
        return {}
    sides = size.lower().split("x")
    if len(sides) != 2 or not all(side.isdigit() for side in sides):
        raise typer.BadParameter(
            f"{size!r} is no size; write WIDTHxHEIGHT in pixels, such as 768x512", param_hint="--size"
        )
    return {"width": int(sides[0]), "height": int(sides[1])}
