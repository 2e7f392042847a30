"""What this machine can do, for `twig doctor`: found out by asking, with nothing changed and no model opened."""

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from twig_assets.settings.execution import execution_settings
from twig_assets.settings.home import catalog_url, home, sensor_seconds, ui_port
from twig_assets.settings.secrets import hidden

_GIB = 2**30
_SECRET = re.compile(r"(PASSWORD|SECRET|TOKEN|KEY|WEBHOOK)")
_LEAST_DISK = 1 * _GIB


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What.
        text: What was found, and what to do where it is not fine.
        fine: Whether a campaign can run with it.
    """

    name: str
    text: str
    fine: bool = True


def examine() -> list[Finding]:
    """Look at everything; what cannot be looked at is a finding too."""
    looks: dict[str, Callable[[], Finding]] = {
        "python": _python,
        "torch": _torch,
        "devices": _devices,
        "threads": _threads,
        "memory": _memory,
        "disk": _disk,
        "chromium": _chromium,
        "extras": _extras,
        "database": _database,
        "ports": _ports,
        "execution": _execution,
    }
    findings = []
    for name, look in looks.items():
        try:
            findings.append(look())
        except Exception as error:  # whatever is wrong with the machine, the rest is still of use
            findings.append(Finding(name, hidden(f"{type(error).__name__}: {str(error).splitlines()[0]}"), fine=False))
    return [*findings, *_settings()]


def _python() -> Finding:
    return Finding("python", f"{platform.python_version()} on {platform.platform()}", sys.version_info >= (3, 11))


def _torch() -> Finding:
    names = ("torch", "diffusers", "transformers", "dagster")
    return Finding("torch", ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names))


def _devices() -> Finding:
    import torch

    if not torch.cuda.is_available():
        other = "mps" if torch.backends.mps.is_available() else "cpu"
        return Finding("devices", f"no CUDA device; models run on the {other}")
    cards = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        bfloat16 = "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16 only"
        cards.append(
            f"cuda:{index} {torch.cuda.get_device_name(index)}, {free / _GIB:.1f} of {total / _GIB:.1f} GiB free, "
            f"{bfloat16}"
        )
    return Finding("devices", "; ".join(cards))


def _threads() -> Finding:
    return Finding("threads", f"{os.cpu_count()} cores; OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'not set')}")


def _memory() -> Finding:
    from twig_assets.campaign.check.free_memory import free_memory

    return Finding("memory", f"{free_memory() / _GIB:.1f} of {psutil.virtual_memory().total / _GIB:.1f} GiB free")


def _disk() -> Finding:
    folder = next(path for path in (home(), *home().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    fine = free > _LEAST_DISK and os.access(folder, os.W_OK)
    advice = "" if fine else "; make room, or let TWIG_HOME name a folder that can be written to"
    return Finding("disk", f"{free / _GIB:.1f} GiB free for {home()}{advice}", fine)


def _chromium() -> Finding:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    return Finding("chromium", found or "none; only the tests of the pages need it")


def _extras() -> Finding:
    metadata = importlib.metadata.metadata("twig-assets")
    requirements = importlib.metadata.requires("twig-assets") or []
    states = []
    for extra in metadata.get_all("Provides-Extra") or []:
        names = [
            re.split(r"[^\w.-]", line)[0] for line in requirements if re.search(rf"extra == ['\"]{extra}['\"]", line)
        ]
        missing = [name for name in names if name != "twig-assets" and not _installed(name)]
        states.append(f"{extra} ({'lacks ' + ', '.join(missing) if missing else 'installed'})")
    return Finding("extras", ", ".join(states) or "none")


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _database() -> Finding:
    from sqlalchemy import create_engine, make_url

    url = make_url(catalog_url())
    shown = hidden(url.render_as_string(hide_password=True))
    if url.drivername.startswith("sqlite") and url.database and not Path(url.database).exists():
        return Finding("database", f"{shown}: not there yet; the first run makes it")
    engine = create_engine(url)
    try:
        with engine.connect():
            return Finding("database", f"{shown}: reachable")
    finally:
        engine.dispose()


def _ports() -> Finding:
    sensor_seconds(60)
    return Finding("ports", f"Dagster on {ui_port()}")


def _execution() -> Finding:
    settings = execution_settings()
    where = "files" if settings.dagster_url is None else "PostgreSQL"
    slots = ", ".join(f"{pool} {'unlimited' if count is None else count}" for pool, count in settings.pools.items())
    text = f"runs {settings.execution}, at most {settings.runs_at_once} at a time; steps {settings.of_steps}"
    return Finding("execution", f"{text}; slots: {slots}; Dagster's runs in {where}")


def _settings() -> list[Finding]:
    names = sorted(name for name in os.environ if name.startswith(("TWIG_", "MLFLOW_TRACKING", "DAGSTER_HOME")))
    return [Finding(name, "hidden" if _SECRET.search(name) else hidden(os.environ[name])) for name in names]
