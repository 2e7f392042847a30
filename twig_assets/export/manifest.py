"""What an export says of each of its images."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from twig_assets.catalog.models import Model
from twig_assets.escaping import defused
from twig_assets.reports.data import DecisionLine, Ended, LedgerHead, PromptLine, Released

FORMAT = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Work(_Part):
    """The protected work that an image comes nearest to."""

    title: str
    rights_holder: str
    licence: str
    sha256: str


class Judged(_Part):
    """What the judge says of an image: see `reports.data.AdherenceLine`."""

    verdict: str
    score: float | None
    threshold: float | None
    judge_sha256: str


class Decision(_Part):
    """A decision of a person about an image, and what it comes to today."""

    made_at: datetime
    who: str
    decision: str
    why: str
    standing: str


class ImageEntry(_Part):
    """An image of the export.

    Attributes:
        file: Its path in the export.
        sha256: Of that file.
        image_sha256: Of the image as it was audited, by which the catalog knows it; the file may carry more.
        prompt: What was drawn; `written` is the prompt before protected words in it were replaced, None for most.
        model: The checkpoint, its fingerprint with the edits, and what was edited out.
        terms: On what terms it is released, see `compliance.state.release_terms`.
        thresholds: What its scores were held to.
    """

    file: str
    sha256: str
    image_sha256: str
    prompt: str
    written: str | None
    batch: str
    position: int
    seed: int
    attempt: int
    stage: str
    terms: str
    released_at: datetime
    checkpoint: str
    model_sha256: str
    edits: list[str]
    verdict: str | None
    reasons: list[str]
    ssim: float | None
    iw_ssim: float | None
    masked_ssim: float | None
    thresholds: dict[str, Any]
    nearest: Work | None
    audited_at: datetime | None
    judged: Judged | None
    decisions: list[Decision]


class LeftOut(_Part):
    """A published image that is not handed out: it lacks a verdict of the day, or complies no longer."""

    prompt: str
    image_sha256: str
    why: str


class Withdrawn(_Part):
    """An image that was published once and is not any more; `exports` are the earlier exports that it was in."""

    prompt: str
    image_sha256: str
    released_at: datetime
    withdrawn_at: datetime
    reason: str
    replaced: bool
    exports: list[str]


class Manifest(_Part):
    """Everything that an export says."""

    format: int = FORMAT
    campaign: str
    title: str
    made_at: datetime
    policy_sha256: str | None
    corpus_sha256: str | None
    complete: bool
    ledger: LedgerHead | None
    images: list[ImageEntry]
    left_out: list[LeftOut]
    withdrawn: list[Withdrawn]


def image_entry(
    line: PromptLine,
    one: Released,
    file: str,
    sha256: str,
    model: Model,
    edits: Sequence[str],
    made: Sequence[Decision],
) -> ImageEntry:
    """What there is to say of an image.

    Args:
        line: Its prompt.
        one: Its release.
        file: Its path in the export.
        sha256: Of that file.
        model: What drew it.
        edits: Names of the concepts that were edited out of the model.
        made: The decisions about it.
    """
    image = one.image
    thresholds = {"ssim": image.ssim_threshold, "masked_ssim": image.masked_ssim_threshold}
    thresholds |= {detector.name: detector.threshold for detector in image.detectors}
    near, judged = image.nearest, image.adherence
    return ImageEntry(
        file=file,
        sha256=sha256,
        image_sha256=image.picture.sha256,
        prompt=line.text,
        written=line.written,
        batch=line.batch,
        position=line.position,
        seed=image.seed,
        attempt=image.attempt,
        stage=image.stage,
        terms=one.terms,
        released_at=one.released_at,
        checkpoint=model.checkpoint,
        model_sha256=model.sha256,
        edits=list(edits),
        verdict=image.verdict,
        reasons=image.reasons,
        ssim=image.ssim,
        iw_ssim=image.iw_ssim,
        masked_ssim=image.masked_ssim,
        thresholds=thresholds,
        nearest=Work(
            title=near.title, rights_holder=near.rights_holder, licence=near.licence, sha256=near.picture.sha256
        )
        if near
        else None,
        audited_at=image.audited_at,
        judged=Judged.model_validate(judged.model_dump(include=set(Judged.model_fields))) if judged else None,
        decisions=list(made),
    )


def decisions_by_image(lines: Sequence[DecisionLine]) -> dict[str, list[Decision]]:
    """Hash of an image -> the decisions about it, the oldest first."""
    made: dict[str, list[Decision]] = {}
    for line in lines:
        kept = line.model_dump(include=set(Decision.model_fields))
        made.setdefault(line.image_sha256, []).append(Decision.model_validate(kept))
    return made


def withdrawn(ended: Ended, exports: Mapping[str, list[str]]) -> Withdrawn:
    """A withdrawal, with the earlier exports that the image was in by its hash."""
    return Withdrawn(**ended.model_dump(), exports=exports.get(ended.image_sha256, []))


def as_csv(rows: Sequence[BaseModel], fields: Sequence[str]) -> str:
    """Some fields of entries as a CSV table; no cell is a formula, and lists and objects are flattened to text."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow(fields)
    for row in rows:
        values = row.model_dump(mode="json")
        writer.writerow([defused(_cell(values[field])) for field in fields])
    return target.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_cell(one)}" for name, one in value.items() if one is not None)
    if isinstance(value, list):
        return "; ".join(_cell(one) for one in value)
    return str(value)
