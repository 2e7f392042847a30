"""Writing an export: read once from the catalog, written beside its place, and moved there when it is whole."""

import hashlib
import os
import shutil
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import ConceptEdit, Image, Model, Prompt, PromptBatch, Release
from twig_assets.catalog.store import ArtifactStore
from twig_assets.export.evidence import write_evidence
from twig_assets.export.guide import write_guide
from twig_assets.export.manifest import (
    ImageEntry,
    LeftOut,
    Manifest,
    Withdrawn,
    as_csv,
    decisions_by_image,
    image_entry,
    withdrawn,
)
from twig_assets.export.names import Names
from twig_assets.export.sums import SUMS, sums_of
from twig_assets.files import write_whole
from twig_assets.provenance.label import LabelSettings
from twig_assets.reports import ReportData, collect
from twig_assets.reports.data import PromptLine, Released
from twig_assets.settings.home import home

IMAGES = "images"
HANDED_OUT = ("as_asked", "waived", "cannot_tell")
Finish = Callable[[PromptLine, Released, bytes], bytes]
"""Makes of an image's PNG the bytes that are handed out, such as the same with a credential in it."""


class ExportError(RuntimeError):
    """Nothing was exported; the message says why and what to do."""


@dataclass(frozen=True)
class Exported:
    """An export that was written.

    Attributes:
        folder: Where it is.
        zip: The same as one file; None unless it was asked for.
        manifest: What it says.
        seal: SHA-256 of its list of hashes: whoever keeps it can tell later that not even that list was changed.
    """

    folder: Path
    zip: Path | None
    manifest: Manifest
    seal: str


class _Kept(BaseModel):
    """What matters here of an earlier export's manifest."""

    images: list[ImageEntry]


def write_export(
    campaign: Campaign,
    catalog: Catalog,
    store: ArtifactStore,
    folder: Path,
    *,
    zipped: bool = False,
    finish: Finish = lambda line, one, content: content,
    label: LabelSettings | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Exported:
    """Write the released images of a campaign with their evidence.

    Only what is published and complies today is handed out: nothing that waits, was rejected or was withdrawn, and
    nothing that lacks a verdict of the day.

    Args:
        campaign: The campaign.
        catalog: Its rows.
        store: Its files.
        folder: Where the export goes; it does not exist yet, or is empty.
        zipped: Whether to write `FOLDER.zip` as well.
        finish: Makes of an image's PNG what is handed out; `file` and `sha256` of the manifest are of that.
        label: The label that `finish` draws, for what the export says about it.
        progress: Called with how many images are written, and of how many.

    Raises:
        ExportError: If the folder has something in it already, or the campaign was never run.
        ArtifactError: If an image is missing or was altered.
        OSError: If a file cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportError(f"{folder}: is not empty; name a folder that does not exist yet")
    with catalog.snapshot() as session:
        report = collect(session, campaign)
        models = _models(session, campaign.name)
    if not report.summary.counts.asked:
        raise ExportError(
            f"{campaign.name}: has no prompts in the catalog; `twig run --campaign {campaign.name}` first"
        )
    with _beside(folder) as partial:
        entries = list(_write_images(report, models, store, partial, finish, progress))
        manifest = _manifest(report, entries)
        _write_manifest(manifest, partial)
        write_guide(manifest, partial, label)
        write_evidence(report, campaign, store, partial, shown={entry.image_sha256 for entry in entries})
        sums = sums_of(partial)
        write_whole(partial / SUMS, sums)
    _remember(manifest)
    return Exported(
        folder=folder,
        zip=_zip(folder) if zipped else None,
        manifest=manifest,
        seal=hashlib.sha256(sums.encode()).hexdigest(),
    )


@dataclass(frozen=True)
class _Drawn:
    model: Model
    edits: list[str]


def _models(session: Session, campaign: str) -> dict[tuple[str, int], _Drawn]:
    """Batch and position of each prompt with a published image -> the model that drew it."""
    edits = {edit.weights_sha256: edit.concept.name for edit in session.scalars(select(ConceptEdit))}
    rows = session.execute(
        select(Prompt.batch_key, Prompt.position, Model)
        .select_from(Release)
        .join(Image, Image.id == Release.image_id)
        .join(Model, Model.id == Image.model_id)
        .join(Prompt, Prompt.id == Release.prompt_id)
        .join(PromptBatch, PromptBatch.key == Prompt.batch_key)
        .where(PromptBatch.campaign == campaign, Release.withdrawn_at.is_(None))
    )
    return {
        (batch, position): _Drawn(model, [edits.get(sha256, sha256[:12]) for sha256 in model.edits])
        for batch, position, model in rows
    }


def _write_images(
    report: ReportData,
    models: dict[tuple[str, int], _Drawn],
    store: ArtifactStore,
    folder: Path,
    finish: Finish,
    progress: Callable[[int, int], None],
) -> Iterator[ImageEntry]:
    names, decisions = Names(), decisions_by_image(report.summary.decisions)
    (folder / IMAGES).mkdir()
    counts, done = report.summary.counts, 0
    total = counts.released_as_asked + counts.released_waived + counts.released_cannot_tell
    for line in report.prompts:
        one = line.published
        if one is None or one.terms not in HANDED_OUT:
            continue
        sha256 = one.image.picture.sha256
        content = finish(line, one, store.read(sha256, "png"))
        file = f"{IMAGES}/{names.of(line.text, sha256)}"
        (folder / file).write_bytes(content)
        drawn = models[line.batch, line.position]
        made = hashlib.sha256(content).hexdigest()
        yield image_entry(line, one, file, made, drawn.model, drawn.edits, decisions.get(sha256, []))
        done += 1
        progress(done, total)


def _manifest(report: ReportData, entries: list[ImageEntry]) -> Manifest:
    summary = report.summary
    exports = _earlier(summary.campaign)
    return Manifest(
        campaign=summary.campaign,
        title=summary.title,
        made_at=summary.made_at,
        policy_sha256=summary.policy_sha256,
        corpus_sha256=summary.corpus_sha256,
        complete=summary.complete,
        ledger=summary.ledger,
        images=entries,
        left_out=[
            LeftOut(prompt=one.prompt, image_sha256=one.image.picture.sha256, why=one.why or one.terms)
            for one in report.released
            if one.terms not in HANDED_OUT
        ],
        withdrawn=[withdrawn(ended, exports) for ended in report.ended],
    )


def _write_manifest(manifest: Manifest, folder: Path) -> None:
    (folder / "manifest.json").write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    # Spreadsheets take a file without a byte order mark for Latin-1.
    images = as_csv(manifest.images, list(ImageEntry.model_fields))
    (folder / "manifest.csv").write_text(images, encoding="utf-8-sig", newline="")
    if manifest.withdrawn:
        ended = as_csv(manifest.withdrawn, list(Withdrawn.model_fields))
        (folder / "withdrawn.csv").write_text(ended, encoding="utf-8-sig", newline="")


def _records(campaign: str) -> Path:
    return home() / "exports" / campaign


def _remember(manifest: Manifest) -> None:
    """Keep the manifest, so that a later export can say which images of this one were withdrawn."""
    folder = _records(manifest.campaign)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{manifest.made_at:%Y%m%dT%H%M%S.%fZ}.json", manifest.model_dump_json(indent=1) + "\n")


def _earlier(campaign: str) -> dict[str, list[str]]:
    """Hash of an image -> the names of the earlier exports that it was in."""
    exports: dict[str, list[str]] = {}
    for path in sorted(_records(campaign).glob("*.json")):
        try:
            kept = _Kept.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise ExportError(f"{path}: cannot be read; put it aside, and tell those who got that export") from error
        for entry in kept.images:
            exports.setdefault(entry.image_sha256, []).append(path.stem)
    return exports


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """Give a folder to fill, and put it in the place of an empty or missing one when all went well."""
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.partial")
    partial.mkdir()
    try:
        yield partial
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _zip(folder: Path) -> Path:
    """Write a folder into `FOLDER.zip`, below its own name."""
    folder = folder.absolute()
    target = folder.with_name(f"{folder.name}.zip")
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    kind = zipfile.ZIP_STORED if path.suffix in (".png", ".webp") else zipfile.ZIP_DEFLATED
                    archive.write(path, f"{folder.name}/{path.relative_to(folder).as_posix()}", kind)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target
