"""The real daemon, from a dropped prompt file to a release, a withdrawal, a quarantine and the schedule's report.

One test after another on one instance, as days go by for a campaign.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.integration.conftest import ALL_FAIL, CAMPAIGN, PROMPTS, CampaignWorkspace, Ended, Workspaces
from tests.integration.serving import Servers, served
from twig_assets.catalog.models import Audit, Image, Prompt, Release

BUDGET = 3
RUNS = """{ runsOrError { ... on Runs { results { runId status jobName tags { key value } } } } }"""
TICKS = """{ sensorsOrError(
  repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "LOCATION"}
) { ... on Sensors { results { name sensorState { status ticks(limit: 200) { status error { message } } } } } } }"""
LOCATIONS = "{ repositoriesOrError { ... on RepositoryConnection { nodes { location { name } } } } }"


@pytest.fixture(scope="module")
def workspace(
    first_run: tuple[CampaignWorkspace, Ended], tmp_path_factory: pytest.TempPathFactory, workspaces: Workspaces
) -> CampaignWorkspace:
    """A campaign of which nothing has been made; the daemon makes its inputs, edit, model and images.

    One of the protected works is, to the pixel, what the model draws first for the prompt that is going to be dropped.
    The strategy is `move`, since `auto` knows the works and would not draw that one again.
    """
    workspace = workspaces.new(tmp_path_factory.mktemp("daemon"))
    settings = {"max_attempts": BUDGET, "batch_size": 1, "regeneration": {"strategy": "move"}}
    workspace.write("campaign.yaml", {**CAMPAIGN, **settings})
    workspace.write("prompts.yaml", ["a yellow boat"])
    (workspace.campaign / "inbox").mkdir()
    _protect(workspace, first_run[0], next(i[-1] for i in first_run[0].images() if i[:3] == (1, "regenerated", 0)))
    return workspace


@pytest.fixture(scope="module")
def daemon(workspace: CampaignWorkspace) -> Iterator[Servers]:
    with served(workspace, TWIG_SENSOR_SECONDS="2", TWIG_AUDIT_CRON="*/3 * * * *") as servers:
        yield servers


def _protect(workspace: CampaignWorkspace, source: CampaignWorkspace, sha256: str) -> None:
    """Make an image of `source` a protected work of `workspace`."""
    file = source.home / "artifacts" / sha256[:2] / f"{sha256}.png"
    shutil.copy(file, workspace.campaign / "references" / f"work-{sha256[:8]}.png")


def _until(what: str, condition: Callable[[], bool], servers: Servers) -> None:
    deadline = time.monotonic() + 600
    while not condition():
        assert servers.process.poll() is None, "".join(servers.lines)
        assert time.monotonic() < deadline, f"never happened: {what}\n" + "".join(servers.lines[-60:])
        time.sleep(0.5)


def _attempts(workspace: CampaignWorkspace, text: str) -> list[tuple[int, int, str, str]]:
    """Attempt, seed, hash and newest verdict of the second images of a prompt."""
    with workspace.catalog() as session:
        rows = session.execute(
            select(Image.attempt, Image.seed, Image.sha256, Audit.verdict)
            .join(Prompt, Prompt.id == Image.prompt_id)
            .join(Audit, Audit.image_id == Image.id)
            .where(Prompt.text == text, Image.stage == "regenerated")
            .order_by(Audit.id)
        )
        newest = {row[0]: tuple(row) for row in rows}
    return [newest[attempt] for attempt in sorted(newest)]


def _releases(workspace: CampaignWorkspace, text: str) -> list[tuple[int, str | None]]:
    """Attempt of each image that was ever published for a prompt, and why it was withdrawn."""
    with workspace.catalog() as session:
        rows = session.scalars(select(Release).join(Prompt).where(Prompt.text == text).order_by(Release.id))
        return [(row.image.attempt, row.reason) for row in rows]


def test_a_dropped_prompt_is_drawn_caught_drawn_anew_and_released(
    daemon: Servers, workspace: CampaignWorkspace
) -> None:
    (workspace.campaign / "inbox" / "bad.yaml").write_text("- a yellow boat\n")
    (workspace.campaign / "inbox" / "apples.yaml").write_text(f"- {PROMPTS[0]}\n")
    _until("the first attempt fails", lambda: [a[3] for a in _attempts(workspace, PROMPTS[0])][:1] == ["fail"], daemon)
    _until("the prompt is released", lambda: bool(_releases(workspace, PROMPTS[0])), daemon)
    first, second = _attempts(workspace, PROMPTS[0])
    assert (first[3], second[3]) == ("fail", "pass")
    assert first[1] != second[1], "a new seed"
    assert _releases(workspace, PROMPTS[0]) == [(1, None)]
    assert (workspace.campaign / "prompts_inbox_000001_apples.yaml").exists()
    reason = (workspace.campaign / "inbox" / "rejected" / "bad.yaml.error.txt").read_text()
    assert "bad.yaml:1: text: 'a yellow boat' is already in" in reason
    with workspace.instance() as instance:
        assert sorted(instance.get_dynamic_partitions("prompt_batches")) == ["tiny-000", "tiny-001"]


def test_a_new_protected_work_withdraws_what_resembles_it_and_another_image_is_released(
    daemon: Servers, workspace: CampaignWorkspace
) -> None:
    _protect(workspace, workspace, _attempts(workspace, PROMPTS[0])[1][2])
    _until("the third attempt is released", lambda: len(_releases(workspace, PROMPTS[0])) == 2, daemon)
    assert _releases(workspace, PROMPTS[0]) == [(1, "its image is now: fail"), (2, None)]
    assert [attempt[3] for attempt in _attempts(workspace, PROMPTS[0])] == ["fail", "fail", "pass"]


def test_a_lowered_threshold_withdraws_what_is_released(daemon: Servers, workspace: CampaignWorkspace) -> None:
    workspace.write("policy.yaml", ALL_FAIL)
    _until("the release is withdrawn", lambda: _releases(workspace, PROMPTS[0])[-1][1] is not None, daemon)
    assert _releases(workspace, PROMPTS[0])[-1] == (2, "its image is now: fail")


def test_a_prompt_that_always_violates_is_quarantined_after_exactly_its_budget(
    daemon: Servers, workspace: CampaignWorkspace
) -> None:
    (workspace.campaign / "inbox" / "owls.csv").write_text("text\nan owl\n")
    _until("the last attempt is judged", lambda: len(_attempts(workspace, "an owl")) == BUDGET, daemon)
    _until("no run is left", lambda: not _running(daemon), daemon)
    time.sleep(6)
    attempts = _attempts(workspace, "an owl")
    assert [(a[0], a[3]) for a in attempts] == [(n, "fail") for n in range(BUDGET)]
    assert len({a[1] for a in attempts}) == BUDGET, "every attempt has a seed of its own"
    assert len(_attempts(workspace, PROMPTS[0])) == BUDGET, "the one that was withdrawn has no budget left"
    assert _releases(workspace, "an owl") == []
    work = [tags.get("twig/work") for tags in _runs(daemon, "tiny-002").values()]
    assert sorted(work, key=str) == ["draw", *["redraw"] * (BUDGET - 1)], "one run of the new batch, and the reruns"


def test_every_run_has_its_own_reason_and_no_tick_failed(daemon: Servers, workspace: CampaignWorkspace) -> None:
    runs = _runs(daemon, "tiny-001")
    keys = [tags["dagster/run_key"] for tags in runs.values()]
    assert len(set(keys)) == len(keys)
    [location] = {node["location"]["name"] for node in daemon.ask(LOCATIONS)["repositoriesOrError"]["nodes"]}
    sensors = daemon.ask(TICKS.replace("LOCATION", location))["sensorsOrError"]["results"]
    assert {sensor["name"] for sensor in sensors} >= {
        "automation",
        "campaign_partitions",
        "failed_runs",
        "missing_work",
        "prompt_inbox",
        "reference_changes",
        "ssim_violations",
    }
    for sensor in sensors:
        assert sensor["sensorState"]["status"] == "RUNNING", sensor["name"]
        failed = [tick for tick in sensor["sensorState"]["ticks"] if tick["status"] == "FAILURE"]
        assert failed == [], sensor["name"]


def test_the_schedules_report_appears_with_its_date(daemon: Servers, workspace: CampaignWorkspace) -> None:
    def made() -> list[Path]:
        return sorted((workspace.home / "reports" / "tiny").glob("report-*.json"))

    _until("a dated report", lambda: bool(made()), daemon)
    report = json.loads(made()[-1].read_text())
    assert report["recheck"]["published"] >= 0
    assert made()[-1].with_suffix(".html").exists()

    def ended() -> bool:
        runs = daemon.ask(RUNS)["runsOrError"]["results"]
        by_schedule = [r for r in runs if {"key": "dagster/schedule_name", "value": "compliance_audit"} in r["tags"]]
        return any(run["status"] == "SUCCESS" for run in by_schedule)

    _until("a successful run of the schedule", ended, daemon)


def _runs(servers: Servers, partition: str) -> dict[str, dict[str, str]]:
    """Run id -> tags of the runs of `draw_batch` for a partition."""
    found = {}
    for run in servers.ask(RUNS)["runsOrError"]["results"]:
        tags = {tag["key"]: tag["value"] for tag in run["tags"]}
        if run["jobName"] == "draw_batch" and tags.get("dagster/partition") == partition:
            found[run["runId"]] = tags
    return found


def _running(servers: Servers) -> bool:
    ended = {"SUCCESS", "FAILURE", "CANCELED"}
    runs = servers.ask(RUNS)["runsOrError"]["results"]
    return any(run["status"] not in ended for run in runs if run["jobName"] == "draw_batch")
