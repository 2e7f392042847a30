"""Where heavy work that comes in independent shards is computed."""

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class EngineSettings(BaseModel):
    """The engine and how much it may use. Results have the same bytes whatever is chosen here.

    Attributes:
        engine: `processes` on this machine. With one worker, that is this process.
        workers: How many shards are computed at the same time; each worker uses one core, and memory of its own for
            what it opens. None means the cores that this process may use.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: Literal["processes"] = "processes"
    workers: int | None = Field(default=None, ge=1)


def usable_cores() -> int:
    """The cores that this process may use, by its affinity and its control group's limit; 1 or more."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, _allowed(Path("/sys/fs/cgroup/cpu.max")) or affinity))


def _allowed(limit: Path) -> int | None:
    """Cores by a control group's file `cpu.max`: microseconds in each period, `max` where there is no limit."""
    try:
        quota, period = limit.read_text().split()
        return int(quota) // int(period)
    except (OSError, ValueError):
        return None
