"""Texts of people as Markdown, which is how Dagster shows descriptions and long metadata."""

from collections.abc import Iterable

import dagster as dg

from twig_assets.escaping import plain_markdown


def described(lines: Iterable[str]) -> str:
    """A description: each line shown as it is."""
    return "\n".join(map(plain_markdown, lines))


def listed(lines: Iterable[str]) -> dg.MarkdownMetadataValue:
    """A list with an item for each line, shown as it is; `none` without any."""
    return dg.MetadataValue.md("\n".join(f"- {plain_markdown(line)}" for line in lines) or "none")


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> dg.MarkdownMetadataValue:
    """A table whose cells are shown as they are."""
    columns = list(head)
    lines = [columns, ["---"] * len(columns), *([plain_markdown(str(cell)) for cell in row] for row in rows)]
    return dg.MetadataValue.md("\n".join(f"| {' | '.join(line)} |" for line in lines))
