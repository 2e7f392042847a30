"""The check before work: everything that is wrong with a campaign, said at once and before any weight is read."""

from twig_assets.campaign.check.check import CheckFailedError, check_campaign, require_sound
from twig_assets.campaign.check.findings import Checked

__all__ = ["CheckFailedError", "Checked", "check_campaign", "require_sound"]
