"""The checks that hold nothing up and tell a person what to look at."""

import json
import shutil
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import select

from tests.integration.conftest import ALL_FAIL, CAMPAIGN, POLICY, PROMPTS, CampaignWorkspace, Ended
from twig_assets.catalog.models import Image
from twig_assets.resources import ModelResource

WARNINGS = {
    "similarity_audits": {
        "ssim_below_threshold",
        "every_work_compared",
        "none_in_review_band",
        "none_quarantined",
        "none_inconclusive",
        "prompts_are_drawn",
    },
    "masks": {"masks_usable"},
    "reference_corpus": {"references_readable", "references_distinct", "corpus_not_shrunk"},
}


def last(workspace: CampaignWorkspace, asset: str, check: str) -> Any:
    """The newest evaluation of a check."""
    with workspace.instance() as instance:
        key = dg.AssetCheckKey(dg.AssetKey(asset), check)
        [record] = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        return record.evaluation


@pytest.mark.parametrize("asset", WARNINGS)
def test_every_check_is_evaluated_for_its_batch_and_says_how_many(
    first_run: tuple[CampaignWorkspace, Ended], asset: str
) -> None:
    for check in WARNINGS[asset]:
        found = last(first_run[0], asset, check)
        assert found.partition == ("tiny" if asset == "reference_corpus" else "tiny-000"), check
        assert found.description, check
        assert any(isinstance(value.value, int) for value in found.metadata.values()), check


def test_a_run_without_changes_judges_no_image_again(finished: CampaignWorkspace) -> None:
    before = last(finished, "similarity_audits", "prompts_are_drawn").metadata
    figures = {name: value.value for name, value in before.items()}
    assert figures == {"as_asked": 3, "not_as_asked": 0, "cannot_tell": 0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ModelResource, "judge", lambda self: pytest.fail("the judge was opened"))
        ended = finished.run()
    assert ended.code == 0, ended.text
    found = last(finished, "similarity_audits", "prompts_are_drawn").metadata
    assert {name: value.value for name, value in found.items()} == figures


def test_what_does_not_show_its_prompt_is_drawn_again_and_then_waits_for_a_person(finished: CampaignWorkspace) -> None:
    """The bar is one that no picture reaches, and the images are judged by what was kept of them."""
    images = finished.images()
    finished.write("campaign.yaml", {**CAMPAIGN, "max_attempts": 1})
    finished.write("policy.yaml", {**POLICY, "adherence": {"threshold": 2.0}})
    ended = finished.run()
    assert ended.code == 0, ended.text
    assert (finished.released(), finished.images()) == ({}, images)
    found = last(finished, "similarity_audits", "prompts_are_drawn")
    assert (found.passed, found.metadata["not_as_asked"].value) == (False, 3)
    finished.write("campaign.yaml", CAMPAIGN)
    ended = finished.run()
    assert ended.code == 0, ended.text
    again = set(finished.images()) - set(images)
    assert sorted(image[:3] for image in again) == [(n, "regenerated", 1) for n in (1, 2, 3)]
    with finished.catalog() as session:
        rows = session.scalars(select(Image).where(Image.attempt == 1)).all()
        assert {row.settings["applied"]["reason"] for row in rows} == {"lost_subject"}
    finished.write("policy.yaml", POLICY)
    ended = finished.run()
    assert ended.code == 0, ended.text
    assert len(finished.released()) == 3


def test_quarantined_prompts_are_named_by_a_warning_that_stops_nothing(finished: CampaignWorkspace) -> None:
    finished.write("campaign.yaml", {**CAMPAIGN, "max_attempts": 1})
    finished.write("policy.yaml", ALL_FAIL)
    ended = finished.run()
    assert ended.code == 0, ended.text
    found = last(finished, "similarity_audits", "none_quarantined")
    assert (found.passed, found.severity, found.metadata["count"].value) == (False, dg.AssetCheckSeverity.WARN, 3)
    assert "none_quarantined: 3 quarantined, of 3 prompts" in ended.text


def test_images_for_a_person_to_judge_are_named(finished: CampaignWorkspace) -> None:
    finished.write("policy.yaml", {**POLICY, "ssim_threshold": 1.0, "review_margin": 0.999999})
    assert finished.run().code == 0
    found = last(finished, "similarity_audits", "none_in_review_band")
    assert not found.passed
    assert "in the review band: " in found.description


def test_images_that_cannot_be_judged_are_named(finished: CampaignWorkspace) -> None:
    finished.write("policy.yaml", {**POLICY, "min_contrast": 127.5})
    assert finished.run().code == 0
    assert last(finished, "similarity_audits", "none_inconclusive").metadata["count"].value == 3


def test_files_that_cannot_be_read_doubles_and_lost_works_are_named(finished: CampaignWorkspace) -> None:
    references = finished.campaign / "references"
    kept, lost, *_ = sorted(references.iterdir())
    shutil.copy(kept, references / "z-the-same-file.png")
    lost.unlink()
    (references / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    ended = finished.run()
    assert ended.code == 3, ended.text
    said = {check: last(finished, "reference_corpus", check) for check in WARNINGS["reference_corpus"]}
    assert not any(found.passed for found in said.values())
    assert "torn.png is not compared with" in said["references_readable"].description
    assert f"z-the-same-file.png is not compared with: it is the same file as {kept.name}" in (
        said["references_distinct"].description
    )
    assert f"{lost.stem} is not in the corpus any more" in said["corpus_not_shrunk"].description
    assert all(found.description.splitlines()[0] in ended.text for found in said.values())


def test_a_work_that_is_not_compared_holds_releases_back_until_a_person_accepts_it(finished: CampaignWorkspace) -> None:
    before = finished.released()
    (finished.campaign / "references" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    finished.write("prompts.yaml", [*PROMPTS, "a yellow banana"])
    ended = finished.run()
    assert ended.code == 3, ended.text
    assert "nothing more is released: a work was not, or not wholly, compared: cut.png" in ended.text
    assert "The comparison is incomplete" in ended.text
    assert finished.released() == before
    found = last(finished, "similarity_audits", "every_work_compared")
    assert (found.passed, found.blocking, found.metadata["holding"].value) == (False, True, 1)
    report = json.loads((finished.home / "reports" / "tiny" / "report.json").read_text())
    assert not report["complete"]
    assert [work["file"] for work in report["unread"]] == ["cut.png"]
    held = [line for line in report["prompts"] if line["text"] == "a yellow banana"]
    assert held[0]["outcome"] == "waiting"
    command = ("review", "--unread", "cut.png", "--campaign", "tiny", "--root", str(finished.root))
    assert finished.twig(*command, "--who", "A person", "--why", "a torn scan").code == 0
    ended = finished.run()
    assert ended.code == 0, ended.text
    assert len(finished.released()) == len(before) + 1
    assert "A person: a torn scan" in last(finished, "similarity_audits", "every_work_compared").description
