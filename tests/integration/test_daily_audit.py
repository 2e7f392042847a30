"""The recheck before a report, its history, and the standing check of what needs a person."""

import json
from typing import Any

from PIL import Image as Picture

from tests.integration.conftest import ALL_FAIL, CAMPAIGN, POLICY, CampaignWorkspace
from tests.integration.test_sensors import daemon


def evaluated(workspace: CampaignWorkspace) -> Any:
    """The standing check, after a run of the daily audit."""
    with daemon(workspace) as ticks:
        result = ticks.run("compliance_audit", "tiny")
    [check] = [e for e in result.get_asset_check_evaluations() if e.check_name == "nothing_quarantined_or_stuck"]
    return check


def reports(workspace: CampaignWorkspace) -> list[dict[str, Any]]:
    """The dated reports, the newest last."""
    return [
        json.loads(path.read_text()) for path in sorted((workspace.home / "reports" / "tiny").glob("report-*.json"))
    ]


def test_the_standing_check_names_what_is_quarantined_or_waits(finished: CampaignWorkspace) -> None:
    assert evaluated(finished).passed
    finished.write("policy.yaml", ALL_FAIL)
    check = evaluated(finished)
    assert not check.passed
    assert "tiny-000: 3 images wait for a run (redraw)" in check.description
    finished.write("campaign.yaml", {**CAMPAIGN, "max_attempts": 1})
    check = evaluated(finished)
    assert "tiny-000: 3 prompts quarantined" in check.description


def test_a_report_says_what_it_rechecked_and_what_has_changed_since_the_last(finished: CampaignWorkspace) -> None:
    [first] = reports(finished)
    assert first["recheck"] == {"published": 3, "standing": 3, "rejudged": 0, "scored": 0, "judged": 0, "withdrawn": []}
    assert first["since"] is None
    work = next((finished.campaign / "references").glob("*.png"))
    Picture.open(work).transpose(Picture.Transpose.ROTATE_90).save(work.with_name("turned.png"))
    evaluated(finished)
    second = reports(finished)[-1]
    released = json.loads((finished.home / "reports" / "tiny" / "report.json").read_text())["released"]
    assert second["recheck"] == {
        "published": 3,
        "standing": 0,
        "rejudged": 0,
        "scored": 3,
        "judged": 0,
        "withdrawn": [],
    }
    assert second["since"]["works_added"] == ["turned"]
    finished.write("policy.yaml", ALL_FAIL)
    evaluated(finished)
    third = reports(finished)[-1]
    assert third["recheck"]["rejudged"] == 3
    assert sorted(third["recheck"]["withdrawn"]) == sorted(f"{image['prompt']}: fail" for image in released)
    assert len(third["since"]["withdrawn"]) == 3
    assert f"ssim_threshold: {POLICY['ssim_threshold']} -> {ALL_FAIL['ssim_threshold']}" in third["since"]["policy"]
    assert [point["released"] for point in third["trend"]] == [3, 3, 0]
    page = (finished.home / "reports" / "tiny" / "report.html").read_text()
    assert "Rechecked and changed" in page
    assert "were scored again" in page
