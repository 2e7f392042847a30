"""The heads of the ledger, kept outside the database: what shows later that its end was cut off or rewritten.

They lie in the state folder and, where the operator names a place, there as well: a folder or any URL that fsspec
knows, such as a bucket whose objects nobody can delete for a time. Every head is a file of its own, written once.
"""

import json
import re
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection
from upath import UPath

from twig_assets.catalog.ledger import Head, head
from twig_assets.catalog.models import utc_now
from twig_assets.evidence.checks import Anchor, Finding
from twig_assets.settings.home import heads_places

_NAME = re.compile(r"head-[0-9]{10}-[0-9a-f]{12}\.json")


class _Kept(BaseModel):
    """The file of a head."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence: int = Field(ge=1)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    at: str


def keep_head(connection: Connection) -> list[str]:
    """Write the ledger's newest head to every place where heads are kept; those that a place lacks follow.

    Returns:
        Why a place has not taken it, a line each; the next call makes up for it.
    """
    newest = head(connection)
    if newest is None:
        return []
    here, *others = heads_places()
    trouble = []
    try:
        _write(here, newest)
    except OSError as error:
        trouble.append(f"{here}: {error}")
    for place in others:
        try:
            _copy(here, place)
        except Exception as error:  # every store raises its own
            trouble.append(f"{place}: {type(error).__name__}: {error}")
    return trouble


def kept_heads() -> tuple[list[Anchor], list[Finding]]:
    """The heads of all places, and what is wrong with those that cannot be read."""
    anchors: list[Anchor] = []
    findings: list[Finding] = []
    for place in heads_places():
        try:
            files = list(_files(UPath(place)))
        except Exception as error:
            findings.append(Finding(place, f"cannot be read for kept heads: {type(error).__name__}: {error}"))
            continue
        for file in files:
            try:
                kept = _Kept.model_validate_json(file.read_bytes())
            except (OSError, ValidationError):
                findings.append(Finding(str(file), "cannot be read as a head of the ledger: it was altered or damaged"))
                continue
            anchors.append(Anchor(str(file), Head(kept.sequence, kept.sha256)))
    return anchors, findings


def _write(place: str, newest: Head) -> None:
    folder = UPath(place)
    file = folder / f"head-{newest.sequence:010d}-{newest.sha256[:12]}.json"
    if file.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    kept = {"sequence": newest.sequence, "sha256": newest.sha256, "at": utc_now().isoformat(timespec="seconds")}
    file.write_text(json.dumps(kept) + "\n", encoding="utf-8")


def _copy(source: str, place: str) -> None:
    folder = UPath(place)
    folder.mkdir(parents=True, exist_ok=True)
    present = {file.name for file in _files(folder)}
    for file in _files(UPath(source)):
        if file.name not in present:
            (folder / file.name).write_bytes(file.read_bytes())


def _files(folder: UPath) -> Iterator[UPath]:
    if folder.exists():
        yield from sorted((f for f in folder.iterdir() if _NAME.fullmatch(f.name)), key=lambda f: f.name)
