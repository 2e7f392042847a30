"""How an installation does: campaigns, queues, runs, ticks, ledger and disk, for a screen, for JSON and for Prometheus.

What Dagster knows is handed in by `orchestration`; nothing here changes anything, and nothing holds an address or a
secret.
"""

from twig_assets.status.collect import installation_status
from twig_assets.status.model import CampaignStatus, DagsterStatus, Disk, InstallationStatus, LedgerStatus, Ticks

__all__ = [
    "CampaignStatus",
    "DagsterStatus",
    "Disk",
    "InstallationStatus",
    "LedgerStatus",
    "Ticks",
    "installation_status",
]
