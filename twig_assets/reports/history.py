"""Dated reports: what has changed since the last one, and how the figures went."""

from pathlib import Path

from pydantic import ValidationError

from twig_assets.reports.data import ReportData, Since, TrendPoint

KEPT_POINTS = 60


def dated_path(folder: Path, data: ReportData) -> Path:
    """Where the page of a dated report is; the JSON beside it has the same name."""
    return folder / f"report-{data.made_at:%Y%m%dT%H%M%S.%fZ}.html"


def with_history(data: ReportData, folder: Path) -> ReportData:
    """The data with the changes since the newest dated report in a folder, and the trend of the last 60.

    A report of another version of twig-assets that cannot be read is left out.
    """
    earlier = [report for path in sorted(folder.glob("report-*.json"))[-KEPT_POINTS:] if (report := _read(path))]
    points = [_point(report) for report in [*earlier, data]]
    since = _since(earlier[-1], data) if earlier else None
    return data.model_copy(update={"since": since, "trend": points})


def _read(path: Path) -> ReportData | None:
    try:
        return ReportData.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _point(report: ReportData) -> TrendPoint:
    return TrendPoint(
        made_at=report.made_at,
        asked=report.counts.asked,
        released=report.counts.released,
        released_as_asked=report.counts.released_as_asked,
        waiting=report.counts.waiting,
        withheld=report.counts.withheld,
        worst_released_ssim=report.counts.worst_released_ssim,
        ssim_95_released=report.counts.ssim_95_released,
    )


def _since(last: ReportData, now: ReportData) -> Since:
    before, after = (_published(report) for report in (last, now))
    works_before, works_after = ({work.title for work in report.references} for report in (last, now))
    fields = sorted({*last.policy, *now.policy}) if last.policy and now.policy else []
    return Since(
        made_at=last.made_at,
        released=[text for (_, text) in after.keys() - before.keys()],
        withdrawn=[text for (_, text) in before.keys() - after.keys()],
        replaced=[key[1] for key in after.keys() & before.keys() if after[key] != before[key]],
        policy=[
            f"{name}: {last.policy.get(name)} -> {now.policy.get(name)}"
            for name in fields
            if last.policy.get(name) != now.policy.get(name)
        ],
        works_added=sorted(works_after - works_before),
        works_removed=sorted(works_before - works_after),
        model=bool(last.model and now.model and last.model.sha256 != now.model.sha256),
    )


def _published(report: ReportData) -> dict[tuple[int, str], str]:
    """Number among equal prompts and prompt -> hash of the published image."""
    published: dict[tuple[int, str], str] = {}
    for released in sorted(report.released, key=lambda released: released.prompt):
        number = sum(text == released.prompt for _, text in published)
        published[(number, released.prompt)] = released.image.picture.sha256
    return published
