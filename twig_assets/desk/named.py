"""What prompts named that is protected, and how they were rewritten; read again only when a campaign's files change."""

import threading
from dataclasses import dataclass, field

from twig_assets.campaign import Campaign, CampaignError
from twig_assets.catalog.models import Prompt
from twig_assets.prompts import PromptError
from twig_assets.reports.named import Named, NamedPrompts
from twig_assets.similarity import CorpusError

NOTHING = Named(None, [])


@dataclass
class NamedByCampaign:
    """The prompts of all campaigns as they are written."""

    _kept: dict[str, tuple[object, NamedPrompts]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, campaign: Campaign, prompt: Prompt) -> Named:
        """What a prompt named; nothing where the campaign's files cannot be read, which `twig check` says."""
        own = [path for path in campaign.folder.iterdir() if path.is_file() and path != campaign.policy_file]
        files = [*own, *campaign.references_folder.glob("*.csv"), campaign.references_folder]
        seen = sorted((str(path), path.stat().st_mtime_ns) for path in files if path.exists())
        with self._lock:
            kept = self._kept.get(campaign.name)
            if kept is None or kept[0] != seen:
                try:
                    kept = self._kept[campaign.name] = seen, NamedPrompts(campaign)
                except (PromptError, CorpusError, CampaignError):
                    return NOTHING
        return kept[1].of(prompt)
