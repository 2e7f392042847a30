"""Whether Dagster's daemon looks for work, so that what people ask for is taken up."""

import os

import dagster as dg

from twig_assets.settings.home import home


def sensors_run() -> bool:
    """Whether a daemon of this installation has run its sensors within the last minutes; makes no instance."""
    if not os.environ.get("DAGSTER_HOME") and not (home() / "dagster.yaml").is_file():
        return False
    before = os.environ.get("DAGSTER_HOME")
    os.environ.setdefault("DAGSTER_HOME", str(home()))
    try:
        with dg.DagsterInstance.get() as instance:
            status = instance.get_daemon_statuses(["SENSOR"]).get("SENSOR")
            return bool(status and status.healthy)
    finally:
        if before is None:
            del os.environ["DAGSTER_HOME"]
