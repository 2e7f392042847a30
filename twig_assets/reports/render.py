"""Turn report data into a main page that needs nothing else, pages of pictures beside it, JSON, and a zip of all."""

import fcntl
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment

from twig_assets.compliance.held import accept_step
from twig_assets.files import page_templates, write_whole, written_whole
from twig_assets.reports.as_json import json_pieces
from twig_assets.reports.data import Summary
from twig_assets.reports.lines import ReportData
from twig_assets.reports.pictures import Thumbnails
from twig_assets.reports.sections import sections

PICTURES = "pictures"
_TURNS = {"0": "", "90": "turned a quarter left", "180": "turned upside down", "270": "turned a quarter right"}


@dataclass(frozen=True)
class Rendered:
    """The files of a report.

    Attributes:
        page: The main page.
        json: The same as data.
        zip: Everything, with the pictures that the pages show, if it was asked for.
        pages: How many pages of pictures there are.
        dated: The copy of the main page that bears the date and stays, with a JSON of the summary; None without one.
    """

    page: Path
    json: Path
    zip: Path
    pages: int
    dated: Path | None


def render(
    report: ReportData, thumbnails: Thumbnails, folder: Path, *, dated: bool = False, zipped: bool = True
) -> Rendered:
    """Write `report.html`, `report.json`, `report.zip`, and a folder of pages if the main page cannot show everything.

    The main page names that folder by the report's time, so a reader of an older page does not come upon newer ones.
    Each file appears whole or not at all; writers in one folder wait for each other.

    Args:
        report: What to say.
        thumbnails: Finds pictures; its folder is `pictures` in `folder`.
        folder: Where the report goes.
        dated: Whether a copy with the date in its name stays, with its pages. Other pages go with the next report.
        zipped: Whether there is to be a `report.zip`.

    Raises:
        OSError: If a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stamp = f"{report.summary.made_at:%Y%m%dT%H%M%S.%fZ}"
    with _alone(folder):
        name = f"report-{stamp}.html" if dated else "report.html"
        writer = _Writer(report, thumbnails, folder, stamp, name, zipped)
        pages, main = writer.write_pages(), writer.main()
        if dated:
            write_whole(folder / writer.name, main)
            write_whole(folder / f"report-{stamp}.json", report.summary.model_dump_json(indent=2) + "\n")
        write_whole(folder / "report.html", main)
        with written_whole(folder / "report.json") as partial, partial.open("w", encoding="utf-8") as file:
            file.writelines(json_pieces(report))
        if zipped:
            writer.write_zip()
        _forget_pages(folder, keep=f"pages-{stamp}")
    return Rendered(
        page=folder / "report.html",
        json=folder / "report.json",
        zip=folder / "report.zip",
        pages=pages,
        dated=folder / writer.name if dated else None,
    )


class _Writer:
    """Writes one report, and keeps track of the pictures that it shows."""

    def __init__(
        self, report: ReportData, thumbnails: Thumbnails, folder: Path, stamp: str, name: str, zipped: bool
    ) -> None:
        self.name, self._zipped = name, zipped
        self._report, self._thumbnails, self._folder = report, thumbnails, folder
        self._pages = folder / f"pages-{stamp}"
        self._sections = sections(report)
        self._on_main = {name: section.for_main(thumbnails) for name, section in self._sections.items()}
        self._elsewhere = [s for name, s in self._sections.items() if len(self._on_main[name]) < len(s.items)]
        self._shown: set[str] = set()

    def write_pages(self) -> int:
        """Write the pages of the lists that the main page has no room for; returns how many."""
        template = _environment(self._beside).get_template("page.html.j2")
        for section in self._elsewhere:
            self._pages.mkdir(exist_ok=True)
            for page in range(1, section.pages + 1):
                text = template.render(self._common(), section=section, page=page, back=f"../{self.name}")
                write_whole(self._pages / section.file(page), text)
        return sum(section.pages for section in self._elsewhere)

    def main(self) -> str:
        """The main page."""
        summary = self._report.summary
        return (
            _environment(self._thumbnails.uri)
            .get_template("report.html.j2")
            .render(
                self._common(),
                sections=self._sections,
                shown=self._on_main,
                folder=self._pages.name,
                tallest=max((bar.released + bar.held + bar.failed for bar in summary.spread), default=0),
                threshold=_threshold(summary),
                accept_step=accept_step(summary.campaign),
                elsewhere=bool(self._elsewhere),
                zipped=self._zipped,
            )
        )

    def write_zip(self) -> None:
        """Write everything into one file, as it lies in the folder; pictures are small already."""
        when = self._report.summary.made_at.timetuple()[:6]
        with (
            written_whole(self._folder / "report.zip") as partial,
            zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive,
        ):
            for path, name in self._files():
                entry = zipfile.ZipInfo(name, when)
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_STORED if path.suffix in (".png", ".webp") else zipfile.ZIP_DEFLATED
                with path.open("rb") as source, archive.open(entry, "w") as target:
                    shutil.copyfileobj(source, target)

    def _files(self) -> Iterator[tuple[Path, str]]:
        yield self._folder / "report.html", self.name
        yield self._folder / "report.json", "report.json"
        for path in sorted(self._pages.glob("*.html")):
            yield path, f"{self._pages.name}/{path.name}"
        for name in sorted(self._shown):
            yield self._thumbnails.folder / name, f"{PICTURES}/{name}"

    def _beside(self, sha256: str) -> str:
        """Where a page finds a picture."""
        name = self._thumbnails.name(sha256)
        if not name:
            return ""
        self._shown.add(name)
        return f"../{PICTURES}/{name}"

    def _common(self) -> dict[str, Any]:
        gone = "not part of this export" if self._thumbnails.some_left_out else "the file of this picture is missing"
        return {"r": self._report.summary, "c": self._report.summary.counts, "gone": gone}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time write reports into a folder."""
    with (folder / ".writing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget_pages(folder: Path, keep: str) -> None:
    """Remove the pages of reports that were replaced; those of reports that bear a date stay."""
    for pages in folder.glob("pages-*"):
        dated = folder / f"report-{pages.name.removeprefix('pages-')}.html"
        if pages.name != keep and not dated.exists():
            shutil.rmtree(pages)


def _environment(source: Any) -> Environment:
    environment = page_templates(Path(__file__).parent)
    environment.filters["turn"] = turn
    environment.filters["score"] = lambda value: "–" if value is None else f"{value:.2f}"
    environment.filters["picture"] = source
    return environment


def turn(transform: str | None) -> str:
    """An orientation in plain words: how the protected work was turned for the match."""
    if transform in (None, "identity"):
        return "as it is"
    mirrored, _, angle = str(transform).rpartition("-")
    if transform == "mirror":
        return "mirrored"
    return "mirrored and " * mirrored.startswith("mirror") + _TURNS[angle]


def _threshold(summary: Summary) -> float | None:
    value = summary.policy.get("ssim_threshold")
    return float(value) if value is not None else None
