"""Prompts from the `prompts*.yaml` and `prompts*.csv` files of a campaign, and the batches that they are cut into."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from twig_assets.prompts.partition_keys import batch_key
from twig_assets.prompts.records import Problems, Record, read_records

FIELDS = ("text", "seed")
MAX_SEED = 2**31 - 1
MAX_BATCH = 64


@dataclass(frozen=True)
class PromptRow:
    """A prompt and where it stands.

    Attributes:
        text: What to draw, without space at the ends.
        seed: Seed of the first attempt, 0 to MAX_SEED.
        file: The file it was read from.
        line: Its line there, from 1.
    """

    text: str
    seed: int
    file: Path
    line: int


def derived_seed(text: str) -> int:
    """The seed of a prompt that names none: the first 31 bits of the SHA-256 of its text, so it never changes."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def prompt_files(folder: Path) -> list[Path]:
    """The files that hold a campaign's prompts, in the order in which they are read."""
    return sorted([*folder.glob("prompts*.yaml"), *folder.glob("prompts*.csv")])


def read_prompts(folder: Path) -> list[PromptRow]:
    """Read all prompts of a campaign folder.

    YAML holds a list whose entries are texts or have the fields `text` and `seed`; CSV has the columns `text` and,
    optionally, `seed`. The same text may come again with another seed, but not with the same one.

    Returns:
        Prompts in the order of file names, then of lines; at least one.

    Raises:
        PromptError: With every problem of every file, each as `file:line: field: what is wrong, what to do`.
    """
    problems = Problems()
    for path in sorted(folder.glob("prompts*.yml")):
        problems.add(str(path), None, "file", "is not read; rename it to end in .yaml")
    records = [record for path in prompt_files(folder) for record in read_records(path, FIELDS, problems)]
    rows = [row for record in records if (row := _prompt(record, problems))]
    _refuse_duplicates(rows, problems)
    if not problems.messages and not rows:
        problems.add(str(folder), None, "text", "no prompts found; write some to prompts.yaml or prompts.csv there")
    problems.raise_if_any()
    return rows


def batches(rows: Sequence[PromptRow], campaign_name: str, size: int) -> list[tuple[str, list[PromptRow]]]:
    """Cut prompts into consecutive batches, each of which is one partition.

    Args:
        rows: The campaign's prompts, in order.
        campaign_name: First part of the keys.
        size: Prompts per batch, 1 to 64; the last batch may be smaller.

    Returns:
        Pairs of key (`demo-000`, `demo-001`, ...) and prompts.

    Raises:
        ValueError: If `size` is out of range.
    """
    if not 1 <= size <= MAX_BATCH:
        raise ValueError(f"batch_size: {size} is out of range; choose 1 to {MAX_BATCH}")
    starts = range(0, len(rows), size)
    return [(batch_key(campaign_name, i), list(rows[start : start + size])) for i, start in enumerate(starts)]


def _prompt(record: Record, problems: Problems) -> PromptRow | None:
    before = len(problems.messages)
    text = _text(record, problems)
    seed = _seed(record, text, problems)
    return None if len(problems.messages) > before else PromptRow(text, seed, Path(record.file), record.line)


def _text(record: Record, problems: Problems) -> str:
    line, value = record.line_of("text"), record.values.get("text", "")
    if value is None:
        return ""
    if not isinstance(value, str):
        problems.add(record.file, line, "text", f"{value!r} is not a text; put it in double quotes")
        return ""
    text = value.strip()
    if not text:
        problems.add(record.file, line, "text", "is empty; write what to draw or delete the entry")
    elif any(not char.isprintable() and not char.isspace() for char in text):
        problems.add(record.file, line, "text", "holds an unprintable character; type the prompt again")
    return text


def _seed(record: Record, text: str, problems: Problems) -> int:
    value = record.values.get("seed", "")
    if isinstance(value, str) and not value.strip():
        return derived_seed(text)
    if isinstance(value, str) and value.strip().isdecimal() and len(value.strip()) <= len(str(MAX_SEED)):
        value = int(value)
    if value is None:
        return 0
    if not isinstance(value, int) or not 0 <= value <= MAX_SEED:
        hint = f"write a whole number from 0 to {MAX_SEED} or leave it out"
        problems.add(record.file, record.line_of("seed"), "seed", f"{value!r} is not a seed; {hint}")
        return 0
    return value


def _refuse_duplicates(rows: list[PromptRow], problems: Problems) -> None:
    first: dict[tuple[str, int | None], PromptRow] = {}
    for row in rows:
        folded = " ".join(row.text.split()).casefold()
        key = (folded, None if row.seed == derived_seed(row.text) else row.seed)
        if key in first:
            earlier = f"{first[key].file}:{first[key].line}"
            message = f"{row.text!r} is already in {earlier}; delete one or give it a seed"
            problems.add(str(row.file), row.line, "text", message)
        else:
            first[key] = row
