"""The Dagster instance of this project: the root's dagster.yaml, with its storage in the state folder."""

import fcntl
import os
from pathlib import Path

import dagster as dg
import yaml

from twig_assets.run_launcher.instance import instance_settings, limit_pools
from twig_assets.settings.execution import execution_settings
from twig_assets.settings.home import home

CONFIG = Path("dagster.yaml")


class NotInProjectRootError(RuntimeError):
    """The working directory has no dagster.yaml."""


def prepare_dagster_home() -> Path:
    """Write the state folder's dagster.yaml and point DAGSTER_HOME at it, unless it is set already.

    Dagster resolves the relative paths of a dagster.yaml against the working directory of each of its processes;
    here they become absolute, below the state folder, so that all processes share one instance. What launches runs,
    how many, and where Dagster's database is are as `execution_settings` says.

    Raises:
        NotInProjectRootError: If the working directory is not the project's root.
        SettingError: If the settings of execution cannot be used.
    """
    if os.environ.get("DAGSTER_HOME"):
        return Path(os.environ["DAGSTER_HOME"])
    if not CONFIG.is_file():
        raise NotInProjectRootError(f"{CONFIG.absolute()} is missing; run this from the project's root folder")
    execution = execution_settings()
    settings = instance_settings(yaml.safe_load(CONFIG.read_text(encoding="utf-8")), execution)
    text = yaml.safe_dump(_absolute(settings), sort_keys=False)
    target = home() / "dagster.yaml"
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home())
    # Dagster makes its tables when they are missing, and fails when another process makes them at the same moment.
    with (home() / ".dagster-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with dg.DagsterInstance.get() as instance:
            limit_pools(instance, execution)
    return home()


def _absolute(value: object) -> object:
    if isinstance(value, dict):
        return {key: _absolute(part) for key, part in value.items()}
    if isinstance(value, str) and value.startswith(".twig/"):
        return str(home() / value.removeprefix(".twig/"))
    return value
