"""Where the project keeps its state: everything below one folder, `.twig` unless TWIG_HOME names another."""

import logging
import os
from pathlib import Path

import psutil

from twig_assets.settings.secrets import without_credentials


class SettingError(ValueError):
    """An environment variable that cannot be used."""


def home() -> Path:
    """The state folder, as an absolute path."""
    return Path(os.environ.get("TWIG_HOME") or ".twig").absolute()


def keep_state_private() -> None:
    """Let only their owner read the files and folders that this process and its children make from now on."""
    os.umask(0o077)


def catalog_url() -> str:
    """SQLAlchemy URL of the catalog: TWIG_CATALOG_URL, or an SQLite file in the state folder."""
    return os.environ.get("TWIG_CATALOG_URL") or f"sqlite:///{home() / 'catalog.db'}"


def artifact_root() -> str:
    """Folder or fsspec URL of the artifact store: TWIG_ARTIFACTS, or a folder in the state folder."""
    return os.environ.get("TWIG_ARTIFACTS") or str(home() / "artifacts")


def tracking_uri() -> str:
    """MLflow's tracking server or database: MLFLOW_TRACKING_URI, or an SQLite file in the state folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"


def mlflow_artifacts() -> str:
    """Where pictures and edits of MLflow's runs lie: TWIG_MLFLOW_ARTIFACTS, or a folder in the state folder."""
    return os.environ.get("TWIG_MLFLOW_ARTIFACTS") or str(home() / "mlflow-artifacts")


def reports_place() -> str | None:
    """Where reports are kept besides the state folder: TWIG_REPORTS, a folder or an fsspec URL."""
    return os.environ.get("TWIG_REPORTS") or None


def spool_folder() -> Path:
    """Where figures wait that MLflow has not taken yet."""
    return home() / "mlflow-waiting"


def heads_places() -> list[str]:
    """Where heads of the ledger are kept: in the state folder first, then at TWIG_LEDGER_HEADS if that is set."""
    place = os.environ.get("TWIG_LEDGER_HEADS")
    return [str(home() / "ledger-heads"), *([place] if place else [])]


def campaigns_folder() -> Path:
    """The folder of the campaigns that Dagster serves: TWIG_CAMPAIGNS, or `campaigns`."""
    return Path(os.environ.get("TWIG_CAMPAIGNS") or "campaigns")


def served_campaigns() -> list[str]:
    """Those of them that are served: the names in TWIG_CAMPAIGN, separated by commas; empty for all."""
    names = (os.environ.get("TWIG_CAMPAIGN") or "").split(",")
    return [name.strip() for name in names if name.strip()]


def trainings_folder() -> Path:
    """Where fine-tunings keep their state until their edit is stored."""
    return home() / "trainings"


def indexes_folder() -> Path:
    """Where the indexes of campaigns' works lie; what is there can be made again."""
    return home() / "indexes"


def ui_port() -> int:
    """Port of Dagster's web server: TWIG_UI_PORT, or 3000; raises SettingError."""
    return _port("TWIG_UI_PORT", 3000)


def mlflow_port() -> int:
    """Port of MLflow's server: TWIG_MLFLOW_PORT, or 5000; raises SettingError."""
    return _port("TWIG_MLFLOW_PORT", 5000)


def desk_port() -> int:
    """Port of the desk: TWIG_DESK_PORT, or 3100; raises SettingError."""
    return _port("TWIG_DESK_PORT", 3100)


def sensor_seconds(default: int) -> int:
    """Seconds between two ticks of a sensor: TWIG_SENSOR_SECONDS for all, or each one's own; raises SettingError."""
    text = os.environ.get("TWIG_SENSOR_SECONDS") or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 86400:
        raise SettingError(f"TWIG_SENSOR_SECONDS: {text!r} is not a number of seconds from 1 to 86400")
    return int(text)


def notifier_settings() -> dict[str, str]:
    """Where notifications go: TWIG_NOTIFY_WEBHOOK, _MAIL_TO, _MAIL_FROM and _SMTP, those that are set."""
    names = ("webhook", "mail_to", "mail_from", "smtp")
    return {name: value for name in names if (value := os.environ.get(f"TWIG_NOTIFY_{name.upper()}"))}


def audit_cron() -> str:
    """When everything published is audited: TWIG_AUDIT_CRON, five fields in UTC, or 06:00 every day."""
    return os.environ.get("TWIG_AUDIT_CRON") or "0 6 * * *"


def models_bytes() -> int:
    """Bytes of weights that a process keeps open: TWIG_MODELS_GIB, or a quarter of the memory; raises SettingError."""
    text = os.environ.get("TWIG_MODELS_GIB")
    if not text:
        return psutil.virtual_memory().total // 4
    try:
        gib = float(text)
    except ValueError:
        gib = -1.0
    if not 0 <= gib < 1e6:
        raise SettingError(f"TWIG_MODELS_GIB: {text!r} is not a number of GiB; give one from 0 or leave it out")
    return int(gib * 2**30)


def model_threads() -> int:
    """Threads of a large model on the CPU: TWIG_THREADS, or the cores this process may use; raises SettingError."""
    text = os.environ.get("TWIG_THREADS")
    if not text:
        return len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else os.cpu_count() or 1
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise SettingError(f"TWIG_THREADS: {text!r} is no number of threads; give one from 1 to 1024 or leave it out")
    return int(text)


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise SettingError(f"{variable}: {text!r} is not a port; give a number from 1 to 65535 or leave it out")
    return int(text)


def mlflow_url() -> str:
    """Where people open MLflow: the server that MLFLOW_TRACKING_URI names, or the one that `twig ui` starts."""
    uri = tracking_uri()
    return without_credentials(uri) if uri.startswith(("http://", "https://")) else f"http://127.0.0.1:{mlflow_port()}"


def quiet_libraries() -> None:
    """Turn off what libraries send home or print unasked; call it before they are imported."""
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # It reports Ctrl-C as an error when that strikes while a connection is closed.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "HF_HUB_DISABLE_TELEMETRY", "DISABLE_TELEMETRY"):
        os.environ.setdefault(name, "true")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "true")
    # Spinning OpenMP threads make small models many times slower wherever another process wants a core.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Large models have several (`model_threads`); those that wait for others sleep.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def quiet_model_libraries() -> None:
    """Turn off the progress bars of loading models; it imports diffusers and transformers, so call it late."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
