"""Where heavy work that comes in independent shards is computed: on this machine, or on several by Ray."""

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from twig_assets.settings.home import SettingError

EngineName = Literal["processes", "ray"]


class EngineSettings(BaseModel):
    """The engine and how much it may use. Results have the same bytes whatever is chosen here.

    Attributes:
        engine: `processes` on this machine (with one worker, that is this process), or `ray`.
        workers: How many shards are computed at the same time; each worker uses one core, and memory of its own for
            what it opens. None means the cores that this process may use, or those of the Ray cluster.
        address: Where the Ray cluster is: `HOST:PORT` of its head, or `auto` on a machine of the cluster. None starts
            a Ray of its own on this machine, which nothing outside it can reach.
        gpus: Share of a GPU that Ray gives each worker that draws or trains; 1 where each has one to itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: EngineName = "processes"
    workers: int | None = Field(default=None, ge=1)
    address: str | None = None
    gpus: float = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _used(self) -> Self:
        if self.address is not None and self.engine != "ray":
            raise ValueError(
                f"address {self.address!r} is of a Ray cluster, but the engine is {self.engine}; choose ray"
            )
        return self


def engine_settings() -> EngineSettings:
    """The engine of the campaigns on this machine: TWIG_ENGINE, TWIG_WORKERS, TWIG_RAY_ADDRESS, TWIG_RAY_WORKER_GPUS.

    Without TWIG_ENGINE it is the cluster on which runs are executed, if TWIG_EXECUTION is `ray`; else one worker of
    `processes`, or TWIG_WORKERS: a location computes in its own process, beside the models that it keeps.

    Raises:
        SettingError: If one of them cannot be used.
    """
    engine, workers = os.environ.get("TWIG_ENGINE"), os.environ.get("TWIG_WORKERS")
    address = os.environ.get("TWIG_RAY_ADDRESS")
    if not engine and os.environ.get("TWIG_EXECUTION") == "ray":
        engine, address = "ray", address or "auto"
    given = {
        "engine": engine or "processes",
        "workers": workers or (None if engine else 1),
        "address": address or None,
        "gpus": os.environ.get("TWIG_RAY_WORKER_GPUS") or 0,
    }
    try:
        return EngineSettings.model_validate(given)
    except ValidationError as error:
        reasons = "; ".join(details["msg"] for details in error.errors())
        names = "TWIG_ENGINE, TWIG_WORKERS, TWIG_RAY_ADDRESS, TWIG_RAY_WORKER_GPUS"
        raise SettingError(f"{names}: {given} cannot be used: {reasons}") from error


def usable_cores() -> int:
    """The cores that this process may use, by its affinity and its control group's limit; 1 or more."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, allowed_cores(Path("/sys/fs/cgroup/cpu.max")) or affinity))


def allowed_cores(limit: Path) -> int | None:
    """Cores by a control group's file `cpu.max`: microseconds in each period, `max` where there is no limit."""
    try:
        quota, period = limit.read_text().split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):
        return None
