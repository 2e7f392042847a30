"""A campaign's files and settings, the rules in force, and the words that it protects."""

from twig_assets.campaign.campaign import (
    MAX_ATTEMPTS,
    Campaign,
    CampaignError,
    SegmenterChoice,
    campaign_names,
    load_campaign,
)

__all__ = ["MAX_ATTEMPTS", "Campaign", "CampaignError", "SegmenterChoice", "campaign_names", "load_campaign"]
