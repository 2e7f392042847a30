"""A campaign as a component of Dagster's: scaffolded, loaded, and read like any other campaign."""

from pathlib import Path

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

from twig_assets.campaign import load_campaign
from twig_assets.campaign_component import TwigCampaign
from twig_assets.prompts import read_prompts
from twig_assets.resources import CampaignsResource


def test_scaffolded_campaigns_are_served_by_one_location(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TWIG_HOME", str(tmp_path / "home"))
    with create_defs_folder_sandbox() as sandbox:
        for name in ("spring-2026", "autumn"):
            folder = sandbox.scaffold_component(TwigCampaign, name, scaffold_params={"title": f"Our {name}"})
        root = folder.parent
        campaign = load_campaign("spring-2026", root)
        assert (campaign.title, len(read_prompts(campaign.folder))) == ("Our spring-2026", 1)
        with sandbox.build_all_defs() as defs:
            keys = {key.to_user_string() for key in defs.resolve_all_asset_keys()}
            assert {"prompts", "generated_images", "similarity_audits", "released_images"} <= keys
            assert {sensor.name for sensor in defs.sensors or []} >= {"missing_work", "ssim_violations"}
            served = _campaigns(defs)
            assert served.names() == ["autumn", "spring-2026"]
            assert served.of_batch("spring-2026-000").folder == root / "spring-2026"


def test_what_is_there_already_is_not_written_over() -> None:
    with create_defs_folder_sandbox() as sandbox:
        folder = sandbox.defs_folder_path / "autumn"
        folder.mkdir(parents=True)
        (folder / "campaign.yaml").write_text("title: Ours\n")
        sandbox.scaffold_component(TwigCampaign, "autumn", scaffold_params={"title": "Another"})
        assert (folder / "campaign.yaml").read_text() == "title: Ours\n"


def _campaigns(defs: dg.Definitions) -> CampaignsResource:
    with dg.build_resources({"campaigns": defs.resources["campaigns"]}) as opened:
        campaigns: CampaignsResource = opened.campaigns
        return campaigns
