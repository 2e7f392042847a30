"""The campaigns that this location serves."""

from pathlib import Path

import dagster as dg

from twig_assets.campaign import Campaign, CampaignError, campaign_names, load_campaign
from twig_assets.prompts.partition_keys import campaign_of_batch, campaign_of_concept


class CampaignsResource(dg.ConfigurableResource):
    """Reads a campaign's files at every use, so that a change shows without a restart.

    Every partition key begins with the name of its campaign, so that no campaign's images can be drawn with another's
    model, compared with its works or judged by its policy.

    Attributes:
        root: The folder with a folder for every campaign.
        only: The campaigns that are served; empty for all of them.
    """

    root: str = "campaigns"
    only: list[str] = []

    def names(self) -> list[str]:
        """The campaigns that are served, in order of name."""
        return [name for name in campaign_names(Path(self.root)) if self._serves(name)]

    def load(self, name: str) -> Campaign:
        """A campaign as its files are now.

        Raises:
            CampaignError: If there is none of that name, its file cannot be used, or it is not served here.
        """
        if not self._serves(name):
            raise CampaignError(
                f"campaign {name!r} is not served here: TWIG_CAMPAIGN names {', '.join(self.only)}; add it there, or "
                f"leave TWIG_CAMPAIGN out to serve all campaigns of {self.root}"
            )
        return load_campaign(name, Path(self.root))

    def of_batch(self, key: str) -> Campaign:
        """The campaign of a batch such as `demo-000`; raises CampaignError."""
        return self.load(_known(campaign_of_batch(key), key, "batch"))

    def of_concept(self, key: str) -> Campaign:
        """The campaign of a concept such as `demo.violin`; raises CampaignError."""
        return self.load(_known(campaign_of_concept(key), key, "concept"))

    def _serves(self, name: str) -> bool:
        return not self.only or name in self.only


def _known(name: str | None, key: str, what: str) -> str:
    if name is None:
        raise CampaignError(f"partition {key!r} is no {what} of a campaign: its key does not begin with one's name")
    return name
