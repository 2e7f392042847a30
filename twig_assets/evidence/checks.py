"""The single checks that evidence is as it was recorded: rows, the order of the ledger, and the bytes of artifacts."""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, RowMapping, exists, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from twig_assets.catalog.among import among
from twig_assets.catalog.artifacts import Artifact
from twig_assets.catalog.hashing import sha256_of
from twig_assets.catalog.ledger import CHAINED, GENESIS, ROWS_AT_ONCE, Content, Head, entry_sha256, read_contents
from twig_assets.catalog.models import Base, ConceptEdit, CorpusVersion, Image, LedgerEntry, Model, PolicyRow, Prompt
from twig_assets.catalog.store import ArtifactError, ArtifactStore
from twig_assets.similarity.verdicts.policy import policy_sha256

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
# What reading or hashing a value raises that none of our own transactions can have written.
_UNREADABLE = (SQLAlchemyError, ValueError, TypeError, AttributeError, OverflowError)


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was recorded.

    Attributes:
        subject: What it concerns, such as `audit 12`, `ledger entry 7` or the path of a file.
        problem: What is wrong with it.
    """

    subject: str
    problem: str


@dataclass(frozen=True)
class Anchor:
    """A ledger's head that was kept outside the database.

    Attributes:
        source: Where, such as the path of a report.
        head: What was kept.
    """

    source: str
    head: Head


def check_ledger(connection: Connection) -> Iterator[Finding]:
    """Follow the chain from its first entry and compare every row with its entry.

    Finds every row and entry that was altered, removed, added or moved, except where all later hashes were computed
    again or the newest entries were cut off together with their rows: `check_anchors` finds those.
    """
    previous = Head(0, GENESIS)
    for chunk in _entries(connection):
        rows = [(entry["table_name"], entry["row_id"]) for entry in chunk]
        contents = _read(partial(read_contents, connection), rows)
        for entry in chunk:
            yield from _check_place(entry, previous)
            yield from _check_row(entry, contents.get((entry["table_name"], entry["row_id"])))
            previous = Head(entry["sequence"], entry["sha256"])
    yield from _unrecorded(connection)


def check_anchors(connection: Connection, anchors: Iterable[Anchor]) -> Iterator[Finding]:
    """Compare the chain with hashes of it that were kept elsewhere."""
    for anchor in anchors:
        wanted = select(LedgerEntry.sha256).where(LedgerEntry.sequence == anchor.head.sequence)
        sha256 = connection.scalar(wanted)
        place = f"entry {anchor.head.sequence} of the ledger"
        if sha256 is None:
            yield Finding(anchor.source, f"names {place}, which is missing: the end of the ledger was cut off")
        elif sha256 != anchor.head.sha256:
            yield Finding(
                anchor.source,
                f"names {place} as {anchor.head.sha256}, but it is {sha256}: the ledger up to there was rewritten",
            )


def check_names(session: Session) -> Iterator[Finding]:
    """Compare what is named by the hash of its content with that name."""
    for cls, (name, _) in _NAMED.items():
        for ids in _chunks(session.scalars(select(cls.id).order_by(cls.id)).all(), ROWS_AT_ONCE):
            sound = _read(partial(_sound_names, session, cls), ids)
            for row_id in (row_id for row_id in ids if sound[row_id] is not True):
                problem = f"was altered: its content does not have the hash that it is named by ({name})"
                yield Finding(f"{cls.__tablename__} {row_id}", problem)
            session.expunge_all()


def check_artifacts(store: ArtifactStore, artifacts: Iterable[Artifact]) -> Iterator[Finding]:
    """Read every artifact and compare its bytes with its name."""
    for artifact in artifacts:
        try:
            store.open(artifact.sha256, artifact.suffix).close()
        except ArtifactError as error:
            yield Finding(artifact.subject, str(error))
        except ValueError as error:
            yield Finding(artifact.subject, f"names no artifact: {error}")


_RESULTS = ("applied", "avoided", "avoidance", "works")
_NAMED: dict[type[Any], tuple[str, Callable[[Any], str]]] = {
    Prompt: ("sha256", lambda row: sha256_of({"text": row.text, "seed": row.seed})),
    Model: ("sha256", lambda row: sha256_of(row.content)),
    ConceptEdit: ("settings_sha256", lambda row: sha256_of(row.settings)),
    # What was avoided, how, which works, and how a rerun differed is noted among an image's settings, but is a result.
    Image: ("settings_sha256", lambda row: sha256_of({k: v for k, v in row.settings.items() if k not in _RESULTS})),
    PolicyRow: ("sha256", lambda row: policy_sha256(row.body) if isinstance(row.body, dict) else ""),
    CorpusVersion: ("sha256", lambda row: hashlib.sha256("\n".join(sorted(row.members)).encode()).hexdigest()),
}


def _sound_names(session: Session, cls: type[Any], ids: Sequence[int]) -> dict[int, bool]:
    name, content_sha256 = _NAMED[cls]
    rows = session.scalars(select(cls).where(among(cls.id, ids)))
    return {row.id: content_sha256(row) == getattr(row, name) for row in rows}


def _entries(connection: Connection) -> Iterator[Sequence[RowMapping]]:
    columns, last = LedgerEntry.__table__.c, None
    while True:
        wanted = select(*columns).order_by(columns.sequence).limit(ROWS_AT_ONCE)
        chunk = connection.execute(wanted if last is None else wanted.where(columns.sequence > last)).mappings().all()
        if not chunk:
            return
        yield chunk
        last = chunk[-1]["sequence"]


def _check_place(entry: Mapping[Any, Any], previous: Head) -> Iterator[Finding]:
    sequence = entry["sequence"]
    if sequence != previous.sequence + 1:
        first, last = previous.sequence + 1, sequence - 1
        if first > last:
            yield Finding(f"ledger entry {sequence}", "stands before the first place, which is 1")
        else:
            gap = f"ledger entry {first}" if first == last else f"ledger entries {first} to {last}"
            yield Finding(gap, "missing from the ledger")
    elif entry["previous_sha256"] != previous.sha256:
        before = f"entry {previous.sequence}" if previous.sequence else "the beginning"
        yield Finding(f"ledger entry {sequence}", f"does not follow {before}: one of the two was altered")


def _check_row(entry: Mapping[Any, Any], content: Content | Exception | None) -> Iterator[Finding]:
    subject, place = f"{entry['table_name']} {entry['row_id']}", f"ledger entry {entry['sequence']}"
    if content is None:
        yield Finding(subject, f"missing, though {place} recorded it")
        return
    if isinstance(content, Exception):
        yield Finding(subject, f"was altered since {place} recorded it: it cannot be read any more ({content})")
        return
    try:
        sha256 = entry_sha256(entry["sequence"], entry["previous_sha256"], entry["table_name"], content)
    except _UNREADABLE as error:
        yield Finding(subject, f"was altered since {place} recorded it: {error}")
        return
    if sha256 != entry["sha256"]:
        yield Finding(subject, f"was altered since {place} recorded it, or that entry was")


def _read(read: Callable[[Sequence[K]], dict[K, V]], keys: Sequence[K]) -> dict[K, V | Exception]:
    """What `read` gives for the keys; for those that it cannot read, the error."""
    try:
        return dict(read(keys))
    except _UNREADABLE as error:
        if len(keys) == 1:
            return {keys[0]: error}
    middle = len(keys) // 2
    return _read(read, keys[:middle]) | _read(read, keys[middle:])


def _unrecorded(connection: Connection) -> Iterator[Finding]:
    for name in CHAINED:
        table = Base.metadata.tables[name]
        entry = exists().where(LedgerEntry.table_name == name, LedgerEntry.row_id == table.c.id)
        for row_id in connection.scalars(select(table.c.id).where(~entry).order_by(table.c.id)):
            yield Finding(
                f"{name} {row_id}", "is in no ledger entry: another program added it, or its entry was removed"
            )


def _chunks(items: Sequence[K], size: int) -> Iterator[Sequence[K]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
