"""Whose is this, and may it be used today? Credential, then watermark, then fingerprint; the first that answers.

Each answers what the others cannot: a credential says the most and is lost with the header, a watermark survives that
and is lost in crops and filters, a fingerprint survives most of these and only says that two pictures are alike.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign import campaign_names
from twig_assets.catalog.database import Catalog, open_existing_catalog, schema_state
from twig_assets.catalog.models import Image, ReleaseEvent
from twig_assets.catalog.models import Watermark as WatermarkRow
from twig_assets.catalog.store import ArtifactError, ArtifactStore
from twig_assets.provenance.credentials import Credentials, credentials_of
from twig_assets.provenance.fingerprints import Likeness, ReleaseIndex, releases_folder
from twig_assets.provenance.marks_on_record import Bearers, MarkedHere, bearers, described, marked_here
from twig_assets.provenance.problems import Problem
from twig_assets.provenance.readers import readers
from twig_assets.provenance.record import doubts
from twig_assets.provenance.registered import read_where_it_lies
from twig_assets.provenance.status import Known, known_images
from twig_assets.provenance.watermark import LatticeWatermark, Reading, Watermark
from twig_assets.settings.home import artifact_root, catalog_url
from twig_assets.similarity.corpus.decode import DecodeError, decode

AnsweredBy = Literal["file", "credential", "watermark", "fingerprint"]
Standing = Literal["released", "not released", "contradicted", "status unknown", "unknown"]

COPY = "It is a copy: the release was audited, and not what may have been changed in this file since."
NO_CATALOG = "There is no catalog here, so nobody can say what became of the release."
NOT_ON_RECORD = "No image of this catalog has this number: another catalog marked it, or its row is gone."


class Answer(BaseModel):
    """What is known of a file.

    Attributes:
        file: Its name, as it was given.
        sha256: Of its bytes.
        answered_by: What recognised it as ours; None where nothing did.
        sentence: The answer for a person.
        credential: What its credential says, of whatever origin.
        payload: The number in its watermark, in hex; None where none was read.
        known: The images of the catalog that it is, or is a copy of, the surest first.
        marked: What it is, or carries the watermark of, that was marked here without a campaign.
        doubts: What its credential says and the catalog's ledger contradicts.
        standing: `released`: all of them are, today; `not released`: one is not, or it was marked without a campaign;
            `contradicted`: all are, and there are doubts; `status unknown`: it is ours, and there is no catalog to ask,
            or the catalog does not have it; `unknown`: it is not known to be ours.
        problem: Why its pixels could not be looked at; None for most.
    """

    model_config = ConfigDict(frozen=True)

    file: str
    sha256: str
    answered_by: AnsweredBy | None = None
    sentence: str
    credential: Credentials
    payload: str | None = None
    known: tuple[Known, ...] = ()
    marked: tuple[MarkedHere, ...] = ()
    doubts: tuple[Problem, ...] = ()
    standing: Standing = "unknown"
    problem: str | None = None

    def lines(self) -> list[str]:
        """The same for a terminal."""
        lines = [f"{self.file}: {self.standing}. {self.sentence}"]
        for image in self.known:
            lines.append(f"  {image.sentence} ({image.prompt!r}, campaign {image.campaign}, {image.sha256[:16]})")
        lines += [f"  {marked.sentence}" for marked in self.marked]
        lines += [f"  {doubt.sentence}" for doubt in self.doubts]
        return lines if self.credential.sentence in self.sentence else [*lines, f"  {self.credential.sentence}"]


@dataclass(frozen=True)
class _Found:
    """What recognised a file.

    Attributes:
        by: What it was.
        sentence: How, and how surely.
        known: The images; empty without a catalog.
        payload: See `Answer`.
        marked: See `Answer`.
    """

    by: AnsweredBy
    sentence: str
    known: tuple[Known, ...] = ()
    payload: str | None = None
    marked: tuple[MarkedHere, ...] = ()

    @property
    def is_copy(self) -> bool:
        """Whether the pixels alone say what it is, so that others of them may have been changed."""
        return bool(self.known) and self.by in ("watermark", "fingerprint")


class Whence:
    """Answers for files, over one catalog or none."""

    def __init__(
        self,
        catalog: Catalog | None,
        store: ArtifactStore,
        root: Path,
        watermarks: Sequence[Watermark],
        index: ReleaseIndex,
    ) -> None:
        """Name what is asked.

        Args:
            catalog: Holds the releases; None to go without.
            store: Holds their pictures.
            root: The folder that holds the campaigns.
            watermarks: What may be read; see `readers`.
            index: The fingerprints of releases.
        """
        self._catalog, self._store, self._root = catalog, store, root
        self._watermarks, self._index = watermarks, index

    def ask(self, content: bytes, file: str = "") -> Answer:
        """What is known of a file.

        Args:
            content: Its bytes.
            file: Its name.
        """
        sha256, credential = hashlib.sha256(content).hexdigest(), credentials_of(content)
        pixels, problem = _pixels(content)
        doubtful: tuple[Problem, ...] = ()
        if self._catalog is None:
            found = self._without_catalog(credential, pixels)
        else:
            with self._catalog.snapshot() as session:
                found = self._in_catalog(session, sha256, credential, pixels)
                if found and found.known and credential.holds and credential.release:
                    doubtful = tuple(doubts(session, credential.release))
        sentence = found.sentence if found else _unrecognised(credential, problem)
        return Answer(
            file=file,
            sha256=sha256,
            answered_by=found.by if found else None,
            sentence=sentence if found is None or not found.is_copy else f"{sentence} {COPY}",
            credential=credential,
            payload=found.payload if found else None,
            known=found.known if found else (),
            marked=found.marked if found else (),
            doubts=doubtful,
            standing=_standing(found, doubtful),
            problem=problem,
        )

    def _without_catalog(self, credential: Credentials, pixels: np.ndarray | None) -> _Found | None:
        """What a file says by itself: a credential of ours, or a watermark of one of our keys."""
        if credential.state == "trusted" and credential.release is not None:
            return _Found("credential", f"{credential.sentence} {NO_CATALOG}")
        if pixels is None:
            return None
        for watermark in self._watermarks:
            if (reading := watermark.read(pixels)) is not None:
                sentence = f"{_watermark_sentence(watermark, reading)} {NO_CATALOG}"
                return _Found("watermark", sentence, payload=reading.payload.hex())
        return None

    def _in_catalog(
        self, session: Session, sha256: str, credential: Credentials, pixels: np.ndarray | None
    ) -> _Found | None:
        if known := _of_file(session, self._root, sha256):
            return _Found("file", "It is the very file, byte for byte.", tuple(known))
        if found := self._by_credential(session, credential, pixels):
            return found
        recorded = self._by_record(session, sha256, credential)
        if recorded and all(file.payload for file in recorded.marked):
            return recorded
        read = self._by_watermark(session, pixels) if pixels is not None else None
        found = read if read and (read.known or read.marked) else None
        if found is None and pixels is not None:
            found = self._by_fingerprint(session, pixels)
        if found and recorded:
            # A copy of a release that was marked again: what became of the release counts.
            return replace(found, marked=recorded.marked)
        return found or recorded or read

    def _by_record(self, session: Session, sha256: str, credential: Credentials) -> _Found | None:
        """A file that was marked here without a campaign, by its bytes or its credential."""
        trusted = credential.state == "trusted"
        marked = marked_here(session, sha256, credential.manifest if trusted else None)
        if not marked:
            return None
        if any(file.sha256 == sha256 for file in marked):
            return _Found("file", "It is the very file, byte for byte.", marked=marked)
        return _Found("credential", credential.sentence, marked=marked)

    def _by_credential(self, session: Session, credential: Credentials, pixels: np.ndarray | None) -> _Found | None:
        """A credential that holds, if somebody signed it whom we trust, or the picture is the one that it names.

        Anybody can sign a picture and name one of our releases in it.
        """
        if not credential.holds or credential.release is None:
            return None
        sha256 = credential.release.image_sha256
        if credential.state != "trusted" and not self._same_pixels(sha256, pixels):
            return None
        how = f"by its credential: {credential.sentence}"
        known = known_images(session, self._root, sha256, how)
        return _Found("credential", credential.sentence, tuple(known)) if known else None

    def _same_pixels(self, sha256: str, pixels: np.ndarray | None) -> bool:
        try:
            return pixels is not None and np.array_equal(self._store.read_image(sha256), pixels)
        except (ArtifactError, ValueError):
            return False

    def _by_watermark(self, session: Session, pixels: np.ndarray) -> _Found | None:
        for watermark in self._watermarks:
            on_record = bearers(session, watermark)
            reading = watermark.read(pixels, on_record)
            if reading is None:
                continue
            sentence = _watermark_sentence(watermark, reading)
            having = on_record.get(reading.payload, Bearers())
            known = self._marked(session, having.images, f"by its watermark: {sentence}")
            marked = described(having.files)
            if not known and not marked:
                sentence += f" {NOT_ON_RECORD}"
            return _Found("watermark", sentence, known, reading.payload.hex(), marked)
        return None

    def _marked(self, session: Session, rows: Sequence[WatermarkRow], how: str) -> tuple[Known, ...]:
        hashes = dict.fromkeys(row.image.sha256 for row in rows)
        return tuple(known for sha256 in hashes for known in known_images(session, self._root, sha256, how))

    def _by_fingerprint(self, session: Session, pixels: np.ndarray) -> _Found | None:
        self._index.add_missing(session, self._store)
        likenesses = self._index.like(pixels, self._store.read_image)
        for likeness in likenesses:
            if found := self._confirmed(session, likeness, pixels):
                return found
        known: list[Known] = []
        for likeness in likenesses:
            how = f"by its fingerprint: {'; '.join(likeness.sentences)}. Look at both before you trust it"
            known += known_images(session, self._root, likeness.sha256, how)
        if not known:
            return None
        return _Found("fingerprint", f"Its fingerprint is that of {_counted(known)}.", tuple(known))

    def _confirmed(self, session: Session, likeness: Likeness, pixels: np.ndarray) -> _Found | None:
        """The watermark of a release, read where its fingerprint says that it lies."""
        if likeness.alignment is None:
            return None
        for watermark in self._watermarks:
            if not isinstance(watermark, LatticeWatermark):
                continue
            for payload, having in bearers(session, watermark, likeness.sha256).items():
                size = self._store.read_image(likeness.sha256).shape[:2]
                reading = read_where_it_lies(watermark, pixels, size, likeness.alignment, payload)
                if reading is not None:
                    sentence = _watermark_sentence(watermark, reading)
                    how = f"by its watermark: {sentence} Its fingerprint: {'; '.join(likeness.sentences)}"
                    return _Found("watermark", sentence, self._marked(session, having.images, how), payload.hex())
        return None


@contextmanager
def opened_whence(root: Path) -> Iterator[Whence]:
    """What the installation's catalog, keys and index can say; without a catalog if there is none, and none is made.

    Raises:
        SchemaError: If the catalog does not fit this version.
        WatermarkError: If a key or a network cannot be used.
        PolicyError: If a campaign's policy cannot be read.
    """
    watermarks = readers([root / name / "policy.yaml" for name in campaign_names(root)])
    catalog = None if schema_state(catalog_url()) == "empty" else open_existing_catalog(catalog_url())
    try:
        yield Whence(catalog, ArtifactStore(artifact_root()), root, watermarks, ReleaseIndex(releases_folder()))
    finally:
        if catalog is not None:
            catalog.close()


def _standing(found: _Found | None, doubtful: Sequence[Problem]) -> Standing:
    if found is None:
        return "unknown"
    if not found.known:
        return "not released" if found.marked else "status unknown"
    if any(image.today != "released" for image in found.known):
        return "not released"
    return "contradicted" if doubtful else "released"


def _of_file(session: Session, root: Path, sha256: str) -> list[Known]:
    """The images whose file this is, as it was audited or as it was published with its credential."""
    signed = (
        select(Image.sha256)
        .join(ReleaseEvent, ReleaseEvent.image_id == Image.id)
        .where(ReleaseEvent.published_sha256 == sha256)
        .distinct()
    )
    hashes = dict.fromkeys([sha256, *session.scalars(signed)])
    return [known for found in hashes for known in known_images(session, root, found, "the very file")]


def _watermark_sentence(watermark: Watermark, reading: Reading) -> str:
    return (
        f"Its pixels carry the watermark {reading.payload.hex()} of key {watermark.key_id}, {reading.how}; a picture "
        f"without it would be read so with a probability of at most {reading.chance:.0e}."
    )


def _counted(known: Sequence[Known]) -> str:
    return "an image of the catalog" if len(known) == 1 else f"{len(known)} images of the catalog"


def _unrecognised(credential: Credentials, problem: str | None) -> str:
    if credential.state != "none" and problem is None:
        return f"It is not known to be ours. {credential.sentence}"
    if problem is not None:
        return problem
    return "It is not known to be ours. That says nothing about whether it may be used."


def _pixels(content: bytes) -> tuple[np.ndarray | None, str | None]:
    try:
        return decode(content).pixels, None
    except DecodeError as error:
        return None, f"This file cannot be read as a picture: it {error}"
