"""The artifacts that the rows of the catalog refer to."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import ConceptEdit, Image, Mask, Model, Reference, ReleaseEvent
from twig_assets.catalog.store import Suffix

_COLUMNS: list[tuple[type[Any], str, Suffix]] = [
    (ConceptEdit, "weights_sha256", "safetensors"),
    (Model, "joint_sha256", "safetensors"),
    (Reference, "pixels_sha256", "png"),
    (Image, "sha256", "png"),
    (Mask, "sha256", "png"),
    (ReleaseEvent, "published_sha256", "png"),
]


@dataclass(frozen=True)
class Artifact:
    """A file that must be in the artifact store.

    Attributes:
        sha256: Of its bytes.
        suffix: Its kind.
        subject: The first row that refers to it, such as `image 12`.
    """

    sha256: str
    suffix: Suffix
    subject: str


def needed_artifacts(session: Session) -> Iterator[Artifact]:
    """Every artifact that a row refers to, once."""
    for cls, name, suffix in _COLUMNS:
        column = getattr(cls, name)
        seen: set[str] = set()
        for row_id, sha256 in session.execute(select(cls.id, column).where(column.is_not(None)).order_by(cls.id)):
            if sha256 not in seen:
                seen.add(sha256)
                yield Artifact(sha256, suffix, f"{cls.__tablename__} {row_id}")
