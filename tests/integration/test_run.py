"""`twig run`: from prompts to released images, undisturbed, again, interrupted, and with bad input."""

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import func, select

from tests.integration.conftest import ALL_FAIL, CAMPAIGN, PROMPTS, CampaignWorkspace, Ended, Workspaces, idle_assets
from twig_assets.catalog.database import open_catalog, schema_state
from twig_assets.catalog.models import ConceptEdit, Image
from twig_assets.definitions import defs

DRAWING = {"generated_images", "masks", "regenerated_images", "similarity_audits"}


def test_a_run_ends_well_with_a_summary_and_a_report(first_run: tuple[CampaignWorkspace, Ended]) -> None:
    workspace, ended = first_run
    assert ended.code == 0, ended.text
    report = workspace.home / "reports" / "tiny" / "report.html"
    assert f"Report: {report}" in ended.text
    assert "released as asked" in ended.text
    page = report.read_text(encoding="utf-8")
    assert all(prompt in page for prompt in PROMPTS)
    assert not idle_assets(ended.text), "a first run has everything to do"


def test_every_prompt_gets_two_images_and_each_image_a_verdict(first_run: tuple[CampaignWorkspace, Ended]) -> None:
    workspace, _ = first_run
    images = workspace.images()
    assert Counter(stage for _, stage, *_ in images) == {"generated": 3, "regenerated": 3}
    assert {attempt for _, _, attempt, *_ in images} == {0}
    assert len({seed for _, _, _, seed, _ in images}) == 6
    verdicts = workspace.verdicts()
    assert sorted(sha256 for sha256, *_ in verdicts) == sorted(sha256 for *_, sha256 in images)
    passed = {sha256 for sha256, verdict, *_ in verdicts if verdict == "pass"}
    candidates = {prompt: sha256 for prompt, stage, *_, sha256 in images if stage == "regenerated"}
    assert workspace.released() == {prompt: sha256 for prompt, sha256 in candidates.items() if sha256 in passed}


def test_every_asset_has_a_materialization_with_figures(first_run: tuple[CampaignWorkspace, Ended]) -> None:
    with first_run[0].instance() as instance:
        events = {
            spec.key.to_user_string(): instance.get_latest_materialization_event(spec.key)
            for spec in defs.resolve_all_asset_specs()
        }
    assert len(events) == 11
    for name, event in events.items():
        assert event is not None, name
        assert event.asset_materialization is not None
        assert event.asset_materialization.metadata, name


def test_the_gate_and_the_edits_check_are_on_record(first_run: tuple[CampaignWorkspace, Ended]) -> None:
    gate = dg.AssetCheckKey(dg.AssetKey("similarity_audits"), "ssim_below_threshold")
    edit = dg.AssetCheckKey(dg.AssetKey("ablated_models"), "edit_accepted")
    with first_run[0].instance() as instance:
        history = {
            key: instance.event_log_storage.get_asset_check_execution_history(key, limit=5) for key in (gate, edit)
        }
    assert [r.partition for r in history[gate]] == ["tiny-000"]
    assert history[gate][0].status.value == "SUCCEEDED"
    assert [r.partition for r in history[edit]] == ["tiny.pouting-cat"]
    with first_run[0].catalog() as session:
        judged = session.scalars(select(ConceptEdit)).one()
    said = history[edit][0].event.dagster_event.event_specific_data.description
    assert judged.accepted == (judged.evaluation["refusals"] == [])
    assert said == (
        "every figure is within its limit" if judged.accepted else f"refused: {judged.evaluation['refusals'][0]}"
    )


def test_a_second_run_does_no_model_work_and_says_so(finished: CampaignWorkspace) -> None:
    images, verdicts, released = finished.images(), finished.verdicts(), finished.released()
    ended = finished.run()
    assert ended.code == 0, ended.text
    assert idle_assets(ended.text) == {"ablated_models", *DRAWING}
    assert (finished.images(), finished.verdicts(), finished.released()) == (images, verdicts, released)


def test_another_process_starting_from_nothing_makes_the_same_images_and_verdicts(
    first_run: tuple[CampaignWorkspace, Ended], workspace: CampaignWorkspace
) -> None:
    process = workspace.process("run", "--campaign", "tiny", "--root", str(workspace.root))
    text, _ = process.communicate(timeout=600)
    assert process.returncode == 0, text
    assert f"Report: {workspace.home / 'reports' / 'tiny' / 'report.html'}" in text
    assert "released as asked" in text
    assert workspace.images() == first_run[0].images()
    assert workspace.verdicts() == first_run[0].verdicts()


def test_what_always_fails_is_quarantined_after_exactly_its_attempts(workspace: CampaignWorkspace) -> None:
    workspace.write("policy.yaml", ALL_FAIL)
    workspace.write("campaign.yaml", {**CAMPAIGN, "max_attempts": 3})
    ended = workspace.run()
    assert ended.code == 0, ended.text
    images = workspace.images()
    per_prompt = Counter((prompt, stage) for prompt, stage, *_ in images)
    counts = {"generated": 1, "regenerated": 3}
    assert per_prompt == {(prompt, stage): counts[stage] for prompt in (1, 2, 3) for stage in counts}
    assert len({seed for _, _, _, seed, _ in images}) == len(images), "every attempt has new seeds"
    assert {verdict for _, verdict, *_ in workspace.verdicts()} == {"fail"}
    assert workspace.released() == {}
    assert "attempt 3 of 3" in ended.text
    assert all(f"quarantined: {prompt}" in ended.text for prompt in PROMPTS)
    again = workspace.run()
    assert again.code == 0, again.text
    assert "attempt 2 of 3" not in again.text
    assert idle_assets(again.text) >= DRAWING
    assert workspace.images() == images


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(
    workspace: CampaignWorkspace, workspaces: Workspaces, tmp_path: Path
) -> None:
    # Slow enough, and in chunks small enough, to be caught in the middle.
    workspace.write("campaign.yaml", {**CAMPAIGN, "batch_size": 4, "generation": {"steps": 8, "batch_size": 1}})
    workspace.write("prompts.yaml", [*PROMPTS, "a yellow boat"])
    workspace.write("concepts.yaml", [])
    undisturbed = workspaces.copy(workspace, tmp_path / "undisturbed")
    process = workspace.process("run", "--campaign", "tiny", "--root", str(workspace.root))
    try:
        _wait_for_images(process, workspace, 1)
        os.kill(process.pid, signal.SIGINT)
        text, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, text
    assert "Interrupted." in text
    assert "Traceback" not in text
    there = workspace.images()
    assert {stage for _, stage, *_ in there} == {"generated"}
    assert 1 <= len(there) < 4
    assert workspace.run().code == 0
    assert undisturbed.run().code == 0
    assert set(there) < set(workspace.images())
    assert workspace.images() == undisturbed.images()
    assert workspace.verdicts() == undisturbed.verdicts()


def _wait_for_images(process: subprocess.Popen[str], workspace: CampaignWorkspace, count: int) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        if schema_state(workspace.catalog_url) == "current":
            catalog = open_catalog(workspace.catalog_url)
            with catalog.snapshot() as session:
                drawn = session.scalar(select(func.count()).select_from(Image))
            catalog.close()
            if drawn >= count:
                return
        time.sleep(0.02)
    raise AssertionError("no image was made")


def test_artifacts_of_a_killed_run_without_rows_are_used_and_half_written_ones_mended(
    first_run: tuple[CampaignWorkspace, Ended], workspace: CampaignWorkspace
) -> None:
    # All files of an earlier run, one of them cut short, and no catalog.
    shutil.copytree(first_run[0].home / "artifacts", workspace.home / "artifacts")
    *_, sha256 = first_run[0].images()[0]
    half = workspace.home / "artifacts" / sha256[:2] / f"{sha256}.png"
    whole = half.read_bytes()
    half.write_bytes(whole[: len(whole) // 2])
    ended = workspace.run()
    assert ended.code == 0, ended.text
    assert workspace.images() == first_run[0].images()
    assert half.read_bytes() == whole


def _corrupt(workspace: CampaignWorkspace) -> None:
    (workspace.campaign / "references" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")


def test_a_corrupt_reference_is_named_and_the_run_goes_on_with_the_others(finished: CampaignWorkspace) -> None:
    _corrupt(finished)
    ended = finished.run()
    assert ended.code == 3, ended.text
    assert "torn.png is not compared with" in ended.text
    assert "Nothing more is released until then" in ended.text
    assert idle_assets(ended.text) >= DRAWING, "the corpus of readable works has not changed"


BAD = {
    "unknown campaign": (lambda p: shutil.move(p.campaign, p.root / "other"), "there is no campaign 'tiny'"),
    "empty corpus": (lambda p: shutil.rmtree(p.campaign / "references"), "no readable reference image"),
    "only corrupt references": (
        lambda p: (shutil.rmtree(p.campaign / "references"), (p.campaign / "references").mkdir(), _corrupt(p)),
        "torn.png: is ",
    ),
    "over-long prompt": (lambda p: p.write("prompts.yaml", ["owl " * 200]), "tokens and the text encoder reads"),
    "missing checkpoint": (
        lambda p: p.write("campaign.yaml", {**CAMPAIGN, "checkpoint": "./no-such-folder"}),
        "checkpoint './no-such-folder' cannot be opened",
    ),
    "duplicate prompt": (lambda p: p.write("prompts.yaml", ["an owl", "a cat", "an owl"]), "prompts.yaml:3: text: "),
    "unknown setting": (lambda p: p.write("campaign.yaml", {**CAMPAIGN, "bach_size": 3}), "bach_size"),
    "bad policy": (lambda p: p.write("policy.yaml", {"ssim_threshold": 3}), "ssim_threshold"),
    "bad concept": (lambda p: p.write("concepts.yaml", [{"target": "an owl", "kind": "bird"}]), "concepts.yaml:1: "),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_status_2_and_one_clear_message(workspace: CampaignWorkspace, case: str) -> None:
    spoil, message = BAD[case]
    spoil(workspace)
    ended = workspace.run()
    assert ended.code == 2, ended.text
    assert message in ended.text
    assert "Traceback" not in ended.text
    assert "Report:" not in ended.text
    assert not (workspace.home / "reports").exists()


def test_brackets_in_texts_are_printed_as_they_are(workspace: CampaignWorkspace) -> None:
    workspace.write("prompts.yaml", ["an owl [/] [red]", "an owl [/] [red]"])
    ended = workspace.run()
    assert ended.code == 2, ended.text
    assert "[/] [red]" in ended.text


def test_a_gate_that_failed_in_an_earlier_run_is_retried_with_what_is_left_of_the_budget(
    finished: CampaignWorkspace,
) -> None:
    finished.write("policy.yaml", ALL_FAIL)
    ended = finished.run()
    assert ended.code == 0, ended.text
    assert {attempt for _, _, attempt, *_ in finished.images()} == {0, 1}
    assert finished.released() == {}
