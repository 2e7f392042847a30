"""What is refused before second images are drawn."""

from pathlib import Path

import pytest

from twig_assets.campaign import CampaignError, load_campaign
from twig_assets.compliance.attempts.second_images import check_neutral


@pytest.mark.parametrize(("neutral", "named"), [("a lanttern", "lantern"), ("a red apple", "red apple")])
def test_a_neutral_prompt_that_names_what_is_protected_is_refused(tmp_path: Path, neutral: str, named: str) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "campaign.yaml").write_text(f"title: Mine\nregeneration: {{neutral: {neutral}}}\n")
    (folder / "concepts.yaml").write_text("- {target: egg, anchor: stone, kind: object}\n")
    check_neutral(load_campaign("mine", tmp_path))
    (folder / "concepts.yaml").write_text(f"- {{target: {named}, anchor: stone, kind: object}}\n")
    with pytest.raises(CampaignError) as refused:
        check_neutral(load_campaign("mine", tmp_path))
    assert f"regeneration.neutral: {neutral!r} names what is protected ({named})" in str(refused.value)
