"""The campaign that this location works on."""

from pathlib import Path

import dagster as dg

from twig_assets.campaign import Campaign, load_campaign


class CampaignResource(dg.ConfigurableResource):
    """Reads the campaign's files at every use, so that a change shows without a restart.

    Attributes:
        name: Folder below `root`.
        root: Where campaigns are.
    """

    name: str
    root: str = "campaigns"

    def load(self) -> Campaign:
        """The campaign as its files are now; raises CampaignError."""
        return load_campaign(self.name, Path(self.root))
