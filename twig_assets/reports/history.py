"""Dated reports: what has changed since the last one, and how the figures went."""

from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from twig_assets.catalog.models import Prompt, PromptBatch, Release
from twig_assets.reports.data import Since, Summary, TrendPoint

KEPT_POINTS = 60


class _Counts(BaseModel):
    model_config = ConfigDict(frozen=True)

    asked: int
    released: int
    released_as_asked: int
    waiting: int
    withheld: int
    worst_released_ssim: float | None
    ssim_95_released: float | None = None


class _Work(BaseModel):
    model_config = ConfigDict(frozen=True)

    title: str


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)

    sha256: str


class _Earlier(BaseModel):
    """What matters here of the JSON of a dated report, also of one that an earlier version wrote."""

    model_config = ConfigDict(frozen=True)

    made_at: datetime
    counts: _Counts
    policy: dict[str, Any]
    references: list[_Work]
    model: _Model | None


def with_history(summary: Summary, folder: Path, session: Session) -> Summary:
    """The summary with the changes since the newest dated report in a folder, and the trend of the last 60.

    A report of another version of twig-assets that cannot be read is left out.

    Args:
        summary: What is reported now.
        folder: Holds the dated reports.
        session: The view of the catalog that the summary was read from.
    """
    earlier = [report for path in sorted(folder.glob("report-*.json"))[-KEPT_POINTS:] if (report := _read(path))]
    now = _Earlier.model_validate_json(summary.model_dump_json())
    points = [_point(report) for report in [*earlier, now]]
    since = _since(earlier[-1], now, session, summary.campaign) if earlier else None
    return summary.model_copy(update={"since": since, "trend": points})


def _read(path: Path) -> _Earlier | None:
    try:
        return _Earlier.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _point(report: _Earlier) -> TrendPoint:
    return TrendPoint(made_at=report.made_at, **report.counts.model_dump())


def _since(last: _Earlier, now: _Earlier, session: Session, campaign: str) -> Since:
    before, after, texts = _published(session, campaign, last.made_at)
    works_before, works_after = ({work.title for work in report.references} for report in (last, now))
    fields = sorted({*last.policy, *now.policy}) if last.policy and now.policy else []
    return Since(
        made_at=last.made_at,
        released=[texts[prompt] for prompt in after if prompt not in before],
        withdrawn=[texts[prompt] for prompt in before if prompt not in after],
        replaced=[texts[prompt] for prompt in after if before.get(prompt, after[prompt]) != after[prompt]],
        policy=[
            f"{name}: {last.policy.get(name)} -> {now.policy.get(name)}"
            for name in fields
            if last.policy.get(name) != now.policy.get(name)
        ],
        works_added=sorted(works_after - works_before),
        works_removed=sorted(works_before - works_after),
        model=bool(last.model and now.model and last.model.sha256 != now.model.sha256),
    )


def _published(
    session: Session, campaign: str, moment: datetime
) -> tuple[dict[int, int], dict[int, int], dict[int, str]]:
    """Prompt id -> image id of what was published at a moment, the same of now, and the texts of these prompts."""
    changed = or_(Release.withdrawn_at.is_(None), Release.withdrawn_at > moment)
    rows = session.execute(
        select(Release.prompt_id, Release.image_id, Release.released_at, Release.withdrawn_at, Prompt.text)
        .join(Prompt, Prompt.id == Release.prompt_id)
        .join(PromptBatch)
        .where(PromptBatch.campaign == campaign, changed)
        .order_by(Prompt.batch_key, Prompt.position, Release.id)
    )
    before: dict[int, int] = {}
    after: dict[int, int] = {}
    texts: dict[int, str] = {}
    for prompt_id, image_id, released_at, withdrawn_at, text in rows:
        texts[prompt_id] = text
        if released_at <= moment:
            before[prompt_id] = image_id
        if withdrawn_at is None:
            after[prompt_id] = image_id
    return before, after, texts
