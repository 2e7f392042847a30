"""Checking a campaign: its files, its models, and whether this machine can hold them."""

from pathlib import Path

from twig_assets.campaign import Campaign, CampaignError, load_campaign
from twig_assets.campaign.check.files import check_files, check_inputs
from twig_assets.campaign.check.findings import Checked
from twig_assets.campaign.check.machine import check_machine
from twig_assets.campaign.check.models import check_models


class CheckFailedError(CampaignError):
    """A campaign that cannot run; the message has one line per problem, of all its files."""


def check_campaign(name: str, root: Path = Path("campaigns")) -> Checked:
    """Everything that is wrong with a campaign, without reading weights.

    Args:
        name: The campaign's folder below `root`.
        root: Where campaigns are.

    Raises:
        CampaignError: If there is no such campaign.
    """
    checked = Checked()
    try:
        campaign = load_campaign(name, root)
    except CampaignError as error:
        folder = root / name
        if not folder.is_dir():
            raise
        checked.add(error)
        check_inputs(folder, checked)
        return checked
    check(campaign, checked)
    return checked


def check(campaign: Campaign, checked: Checked) -> None:
    """Add what is wrong with a campaign whose settings can be read."""
    prompts = check_files(campaign, checked)
    skeleton = check_models(campaign, prompts, checked)
    check_machine(campaign, prompts, skeleton, checked)


def require_sound(campaign: Campaign) -> list[str]:
    """The notes on a campaign that can run.

    Raises:
        CheckFailedError: If it cannot, with every problem.
    """
    checked = Checked()
    check(campaign, checked)
    if checked.problems:
        raise CheckFailedError("\n".join(checked.problems))
    return checked.notes
