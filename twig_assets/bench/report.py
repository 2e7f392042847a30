"""What a benchmark hands back: bars, the rows behind them, and where it ran."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, computed_field
from rich.table import Table

from twig_assets.bench.intervals import wilson

PACKAGE_DIR = Path(__file__).parents[1]
_LIBRARIES = (
    "torch",
    "diffusers",
    "transformers",
    "numpy",
    "numba",
    "scikit-image",
    "pytorch-msssim",
    "opencv-python-headless",
)


Direction: TypeAlias = Literal[">=", "<="]


class Bar(BaseModel):
    """One figure and the goal it is held to.

    Attributes:
        name: As the issues and MODEL_CARD.md call it.
        value: Computed in this run; finite, so that the JSON can be read everywhere.
        goal: The bar.
        direction: `>=` when more is better, `<=` when less is.
        interval: Lower and upper bound of the 95 % confidence interval of the value; None where the value is no
            estimate from a sample, or its interval is not computed.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, extra="forbid")

    name: str
    value: float
    goal: float
    direction: Direction
    interval: tuple[float, float] | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def holds(self) -> bool:
        """Whether the value reaches the goal."""
        return self.value >= self.goal if self.direction == ">=" else self.value <= self.goal

    @classmethod
    def of_share(cls, name: str, count: int, of: int, goal: float, direction: Direction) -> "Bar":
        """A bar whose value is the share `count` / `of`, with Wilson's interval; 0 without one when `of` is 0."""
        interval = wilson(count, of) if of else None
        return cls(name=name, value=count / max(1, of), goal=goal, direction=direction, interval=interval)


class Measured(BaseModel):
    """What `measure` of a benchmark's module returns.

    Attributes:
        bars: In the order they are shown.
        rows: JSON-ready records that the bars were computed from.
    """

    bars: list[Bar]
    rows: list[dict[str, Any]] = Field(default_factory=list)


class BenchReport(BaseModel):
    """One run of one benchmark; its JSON has exactly these keys."""

    bench: str
    commit: str
    environment: dict[str, Any]
    bars: list[Bar]
    rows: list[dict[str, Any]]

    def to_json(self) -> str:
        """One JSON object."""
        return self.model_dump_json(indent=2)

    def to_table(self) -> Table:
        """The bars for a terminal."""
        sample = ", quick sample" if self.environment.get("quick") else ""
        table = Table(title=f"{self.bench} at {self.commit[:12]}{sample}")
        for heading in ("bar", "value", "95 %", "goal", "holds"):
            table.add_column(heading, justify="left" if heading in ("bar", "holds") else "right")
        for bar in self.bars:
            holds = "[green]yes[/green]" if bar.holds else "[red]no[/red]"
            interval = "" if bar.interval is None else "{:.3f} to {:.3f}".format(*bar.interval)
            table.add_row(bar.name, f"{bar.value:.3f}", interval, f"{bar.direction} {bar.goal:g}", holds)
        return table


def commit_of(package: Path = PACKAGE_DIR) -> str:
    """The commit a source tree is checked out at, or `unknown` (an installed package, no git, no commit yet)."""
    # An environment inside somebody else's repository must not report that repository's commit.
    top = _git(package, "rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != package.resolve().parent:
        return "unknown"
    return _git(package, "rev-parse", "--verify", "HEAD") or "unknown"


def environment(quick: bool) -> dict[str, Any]:
    """Python, platform, processor, cores, library versions, and whether this was a smaller sample."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        **{name: _version(name) for name in _LIBRARIES},
        "uncommitted_changes": bool(_git(PACKAGE_DIR, "status", "--porcelain", "--", ".")),
        "quick": quick,
    }


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"
