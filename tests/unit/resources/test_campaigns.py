"""Which campaign a partition is of."""

from pathlib import Path

import pytest

from twig_assets.campaign import CampaignError
from twig_assets.resources import CampaignsResource


@pytest.fixture
def campaigns(tmp_path: Path) -> CampaignsResource:
    for name in ("autumn", "autumn-000", "winter"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "campaign.yaml").write_text("title: A campaign\n")
    return CampaignsResource(root=str(tmp_path))


def test_a_key_names_its_campaign_also_where_names_look_like_keys(campaigns: CampaignsResource) -> None:
    assert campaigns.names() == ["autumn", "autumn-000", "winter"]
    assert campaigns.of_batch("autumn-000").name == "autumn"
    assert campaigns.of_batch("autumn-000-012").name == "autumn-000"
    assert campaigns.of_batch("autumn-1000").name == "autumn"
    assert campaigns.of_concept("autumn-000.owl").name == "autumn-000"


@pytest.mark.parametrize("key", ["autumn", "autumn-", "spring-000", "../autumn-000", ""])
def test_a_batch_of_no_campaign_is_refused(campaigns: CampaignsResource, key: str) -> None:
    with pytest.raises(CampaignError, match="no batch of a campaign|there is no campaign"):
        campaigns.of_batch(key)


def test_what_is_not_served_is_refused_with_the_variable_that_says_so(campaigns: CampaignsResource) -> None:
    one = campaigns.model_copy(update={"only": ["winter"]})
    assert one.names() == ["winter"]
    with pytest.raises(CampaignError, match="TWIG_CAMPAIGN names winter"):
        one.of_batch("autumn-000")
