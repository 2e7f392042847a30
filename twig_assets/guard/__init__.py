"""What stands in front of every server of ours: which requests may pass, and which are refused.

It knows no server in particular. The servers of `twig ui` are wrapped in `Guard`; the desk has sessions and headers of
its own, and shares the rules on hosts and origins.
"""

from twig_assets.guard.middleware import Guard
from twig_assets.guard.origin import Refusal, foreign_page, unknown_host
from twig_assets.guard.rules import DAGSTER, MLFLOW, Rules
from twig_assets.guard.settings import LOOPBACK, GuardError, GuardSettings, read_hosts, read_settings

__all__ = [
    "DAGSTER",
    "LOOPBACK",
    "MLFLOW",
    "Guard",
    "GuardError",
    "GuardSettings",
    "Refusal",
    "Rules",
    "foreign_page",
    "read_hosts",
    "read_settings",
    "unknown_host",
]
