"""Turn report data into one page that needs nothing else, and into JSON beside it."""

from dataclasses import dataclass
from pathlib import Path

from twig_assets.compliance.held import accept_step
from twig_assets.files import page_templates, write_whole
from twig_assets.reports.data import ReportData, Scored

BINS = 40
_TURNS = {"0": "", "90": "turned a quarter left", "180": "turned upside down", "270": "turned a quarter right"}


@dataclass(frozen=True)
class Bar:
    """Audited images whose SSIM lies in one step of the scale, counted by what became of them."""

    low: float
    high: float
    released: int = 0
    held: int = 0
    failed: int = 0


def render(data: ReportData, path: Path) -> None:
    """Write the page to `path` and the data to the same name with `.json`; each appears whole or not at all.

    Raises:
        OSError: If a file cannot be written.
    """
    environment = page_templates(Path(__file__).parent)
    environment.filters["turn"] = turn
    environment.filters["score"] = lambda value: "–" if value is None else f"{value:.2f}"
    chart = bars(data)
    tallest = max(bar.released + bar.held + bar.failed for bar in chart)
    template = environment.get_template("report.html.j2")
    page = template.render(
        r=data, bars=chart, tallest=tallest, threshold=_threshold(data), accept_step=accept_step(data.campaign)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, page)
    write_whole(path.with_suffix(".json"), data.model_dump_json(indent=2) + "\n")


def turn(transform: str | None) -> str:
    """An orientation in plain words: how the protected work was turned for the match."""
    if transform in (None, "identity"):
        return "as it is"
    mirrored, _, angle = str(transform).rpartition("-")
    if transform == "mirror":
        return "mirrored"
    return "mirrored and " * mirrored.startswith("mirror") + _TURNS[angle]


def bars(data: ReportData) -> list[Bar]:
    """How many audited images reach which SSIM, in steps of 1/40 from 0 to 1; scores below 0 count as 0."""
    published = {released.image.picture.sha256 for released in data.released}
    counts = [{"released": 0, "held": 0, "failed": 0} for _ in range(BINS)]
    for image in (image for line in data.prompts for image in line.images):
        if image.ssim is not None:
            step = min(BINS - 1, max(0, int(image.ssim * BINS)))
            counts[step][_fate(image, published)] += 1
    return [Bar(low=i / BINS, high=(i + 1) / BINS, **count) for i, count in enumerate(counts)]


def _fate(image: Scored, published: set[str]) -> str:
    if image.picture.sha256 in published:
        return "released"
    return "failed" if image.verdict == "fail" else "held"


def _threshold(data: ReportData) -> float | None:
    value = data.policy.get("ssim_threshold")
    return float(value) if value is not None else None
