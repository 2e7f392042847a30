"""A tick goes through the campaigns as far as its time goes, and the next one begins with the others."""

from pathlib import Path

import dagster as dg
import pytest

from twig_assets.catalog.database import open_catalog
from twig_assets.resources import CampaignsResource
from twig_assets.sensors import each_campaign
from twig_assets.sensors.each_campaign import Part, for_each_campaign


@pytest.mark.parametrize(("seconds", "worked_on"), [(-1.0, ["a", "b", "c", "a"]), (60.0, ["abc", "abc"])])
def test_no_campaign_is_left_out_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, worked_on: list[str]
) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / "campaign.yaml").write_text("title: A campaign\n")
    monkeypatch.setattr(each_campaign, "TICK_SECONDS", seconds)
    catalog = open_catalog(f"sqlite:///{tmp_path}/catalog.db")
    cursor: str | None = None
    ticks = []
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in worked_on:
            done: list[str] = []

            def work(name: str, before: str, done: list[str] = done) -> Part:
                done.append(name)
                return Part(name, cursor=f"{before}{name}")

            context = dg.build_sensor_context(instance=instance, cursor=cursor, sensor_name="one")
            cursor = for_each_campaign(context, CampaignsResource(root=str(tmp_path)), catalog, work).cursor
            ticks.append("".join(done))
    catalog.close()
    assert ticks == worked_on
    assert '"cursor": "aa"' in str(cursor), "what a tick leaves about a campaign comes to the next one of it"
