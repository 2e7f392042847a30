"""What the images of a campaign count by."""

from pathlib import Path

from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import regenerated_settings
from twig_assets.settings.regeneration import RegenerationSettings


def test_attempts_differ_by_their_number_alone_whatever_a_rerun_changes(tmp_path: Path) -> None:
    still = RegenerationSettings(strength_per_attempt=0.0)
    campaign = Campaign(name="spring", folder=tmp_path, title="Spring", regeneration=still)
    first, second = (regenerated_settings(campaign, attempt) for attempt in (0, 1))
    assert first != second, "an image of another attempt is another image"
    assert {**first, "attempt": 1} == second
    assert first["regeneration"] == still.model_dump(mode="json")
