"""Ticks of the sensors on a campaign that was run for real."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import select

from tests.integration.conftest import ALL_FAIL, CAMPAIGN, POLICY, PROMPTS, ROOT, CampaignWorkspace
from twig_assets.catalog.models import Audit, Image, Notification, Release, Review
from twig_assets.definitions import build_defs
from twig_assets.model_zoo import planted
from twig_assets.sensors import (
    failed_runs,
    missing_work,
    notifications,
    prompt_inbox,
    reference_changes,
    ssim_violations,
)


@contextmanager
def daemon(workspace: CampaignWorkspace) -> Iterator["Ticks"]:
    """What the daemon has at hand when it ticks a sensor."""
    with workspace.instance() as instance, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWIG_CAMPAIGNS", str(workspace.root))
        yield Ticks(instance, build_defs())


class Ticks:
    """Ticks sensors and keeps their cursors, the way the daemon does."""

    def __init__(self, instance: dg.DagsterInstance, defs: dg.Definitions) -> None:
        self.instance = instance
        self.defs = defs
        self.repository = defs.get_repository_def()
        self.cursors: dict[str, str | None] = {}

    def tick(self, sensor: dg.SensorDefinition) -> Any:
        with dg.build_sensor_context(
            repository_def=self.repository,
            cursor=self.cursors.get(sensor.name),
            sensor_name=sensor.name,
            resources=self.repository.get_top_level_resources(),
            instance_ref=self.instance.get_ref(),
        ) as context:
            data = sensor.evaluate_tick(context)
        self.cursors[sensor.name] = data.cursor
        return data

    def run(self, job: str, partition: str | None = None) -> dg.ExecuteInProcessResult:
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, partition_key=partition, raise_on_error=False
        )


def test_a_lowered_threshold_withdraws_and_asks_for_new_draws_within_one_tick(finished: CampaignWorkspace) -> None:
    released, images = finished.released(), finished.images()
    finished.write("policy.yaml", ALL_FAIL)
    with daemon(finished) as ticks:
        data = ticks.tick(ssim_violations)
        assert finished.released() == {}
        [request] = data.run_requests
        [last] = ticks.instance.get_runs(dg.RunsFilter(tags={"dagster/partition": "tiny-000"}), limit=1)
        assert request.run_key == f"tiny-000:{last.run_id}:1"
        assert request.partition_key == "tiny-000"
        assert request.tags["twig/work"] == "redraw"
        [observation] = data.asset_events
        assert observation.partition == "tiny-000"
        assert observation.metadata["withdrawn"].value == len(released)
        again = ticks.tick(ssim_violations)
        assert [r.run_key for r in again.run_requests] == [request.run_key], "a daemon that died asks the same again"
        assert again.asset_events == []
    assert finished.images() == images, "a tick draws nothing"
    with finished.catalog() as session:
        assert set(session.scalars(select(Release.reason))) == {"its image is now: fail"}
        newest = {a.image_id: a for a in session.scalars(select(Audit).order_by(Audit.id))}
        candidates = [a for a in newest.values() if a.image.stage == "regenerated"]
        assert {a.verdict for a in candidates} == {"fail"}
        assert {a.run_id for a in candidates} == {"ssim_violations"}
        assert all("by the scores of audit" in reason for a in candidates for reason in a.reasons)


def test_a_batch_gets_one_run_at_a_time_and_none_after_three_without_progress(finished: CampaignWorkspace) -> None:
    finished.write("policy.yaml", ALL_FAIL)
    with daemon(finished) as ticks:
        keys = []
        for _ in range(3):
            [request] = ticks.tick(ssim_violations).run_requests
            keys.append(request.run_key)
            run = ticks.instance.create_run_for_job(
                ticks.repository.get_job("draw_batch"),
                tags={**request.tags, "dagster/partition": "tiny-000"},
            )
            data = ticks.tick(ssim_violations)
            assert data.run_requests == []
            assert "tiny-000" in data.skip_message
            ticks.instance.report_run_failed(run)
        assert len(set(keys)) == 3
        data = ticks.tick(ssim_violations)
        assert data.run_requests == []
        assert "tiny-000: stuck" in data.skip_message


def test_a_run_that_a_person_cancelled_is_not_started_again_by_itself(finished: CampaignWorkspace) -> None:
    finished.write("policy.yaml", ALL_FAIL)
    with daemon(finished) as ticks:
        [request] = ticks.tick(ssim_violations).run_requests
        run = ticks.instance.create_run_for_job(
            ticks.repository.get_job("draw_batch"), tags={**request.tags, "dagster/partition": "tiny-000"}
        )
        ticks.instance.report_run_canceled(run)
        data = ticks.tick(ssim_violations)
        assert data.run_requests == []
        assert "cancelled" in data.skip_message


def test_a_waiver_is_published_and_a_quarantine_is_not_drawn_again(finished: CampaignWorkspace) -> None:
    finished.write("campaign.yaml", {**CAMPAIGN, "max_attempts": 1})
    finished.write("policy.yaml", ALL_FAIL)
    with daemon(finished) as ticks:
        data = ticks.tick(ssim_violations)
        assert data.run_requests == []
        assert "quarantined" in data.skip_message
        with finished.catalog() as session:
            audit = session.scalars(
                select(Audit).join(Image).where(Image.stage == "regenerated", Audit.verdict == "fail")
            )
            session.add(Review(audit_id=audit.first().id, decision="waive", who="Ann", why="our own drawing"))
        [request] = ticks.tick(ssim_violations).run_requests
        assert request.tags["twig/work"] == "release"


def test_the_policy_of_before_gives_the_verdicts_of_before_and_asks_for_a_release(finished: CampaignWorkspace) -> None:
    finished.write("policy.yaml", ALL_FAIL)
    with daemon(finished) as ticks:
        ticks.tick(ssim_violations)
        finished.write("policy.yaml", POLICY)
        [request] = ticks.tick(ssim_violations).run_requests
        assert request.tags["twig/work"] == "release"


def test_a_policy_that_decides_what_can_be_judged_asks_for_an_audit(finished: CampaignWorkspace) -> None:
    finished.write("policy.yaml", {**POLICY, "min_mask_pixels": 500})
    with daemon(finished) as ticks:
        [request] = ticks.tick(ssim_violations).run_requests
        assert request.tags["twig/work"] == "audit"
    assert len(finished.released()) == 3, "without a verdict nothing is withdrawn"


def test_a_new_work_is_read_once_it_is_whole_and_once_only(finished: CampaignWorkspace) -> None:
    with daemon(finished) as ticks:
        ticks.tick(reference_changes)
        [first] = ticks.tick(reference_changes).run_requests
        assert (first.partition_key, ticks.tick(reference_changes).run_requests) == ("tiny", [])
        work = ROOT / "campaigns" / "demo" / "references" / f"{planted.WORKS[4].slug}.png"
        shutil.copy(work, finished.campaign / "references")
        assert ticks.tick(reference_changes).run_requests == [], "it may still be being written"
        [second] = ticks.tick(reference_changes).run_requests
        assert ticks.tick(reference_changes).run_requests == []
        (finished.campaign / "references" / work.name).unlink()
        ticks.tick(reference_changes)
        [third] = ticks.tick(reference_changes).run_requests
        assert len({first.run_key, second.run_key, third.run_key}) == 3


def test_a_grown_corpus_asks_for_audits_and_then_withdraws(finished: CampaignWorkspace) -> None:
    stolen = finished.images()[1]
    prompt, *_, sha256 = stolen
    shutil.copy(finished.home / "artifacts" / sha256[:2] / f"{sha256}.png", finished.campaign / "references")
    with daemon(finished) as ticks:
        ticks.run("read_corpus", "tiny")
        [request] = ticks.tick(ssim_violations).run_requests
        assert request.tags["twig/work"] == "audit"
        assert len(finished.released()) == 3
        assert not ticks.run("draw_batch", "tiny-000").success
        [request] = ticks.tick(ssim_violations).run_requests
        assert request.tags["twig/work"] == "redraw"
    assert prompt not in finished.released()
    assert len(finished.released()) == 2


def test_people_are_told_once_of_what_was_withdrawn_also_when_a_server_was_away(finished: CampaignWorkspace) -> None:
    published = len(finished.released())
    finished.write("policy.yaml", ALL_FAIL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWIG_NOTIFY_WEBHOOK", "http://127.0.0.1:1/")
        with daemon(finished) as ticks:
            assert "webhook: " in ticks.tick(notifications).skip_message, "why it failed"
            with finished.catalog() as session:
                assert session.scalars(select(Notification)).one().sent_at is None
    with daemon(finished) as ticks:
        ticks.tick(notifications)
        ticks.tick(notifications)
    with finished.catalog() as session:
        [row] = session.scalars(select(Notification))
        assert (row.event, row.subject, len(row.items)) == ("withdrawn", "tiny-000", published)
        assert set(row.channels) == {"log"}


def test_people_are_told_of_runs_that_died_and_not_of_those_that_the_gate_held_back(
    finished: CampaignWorkspace,
) -> None:
    with daemon(finished) as ticks:
        died = ticks.instance.create_run_for_job(
            ticks.repository.get_job("draw_batch"), tags={"dagster/partition": "tiny-000"}
        )
        ticks.instance.report_run_failed(died)
        finished.write("policy.yaml", {**ALL_FAIL, "min_mask_pixels": 500})
        assert not ticks.run("draw_batch", "tiny-000").success, "the gate holds it back"
        ticks.tick(notifications)
    with finished.catalog() as session:
        told = [(row.event, *row.items) for row in session.scalars(select(Notification))]
    assert [items for event, *items in told if event == "died"] == [[died.run_id]]


def test_a_dropped_file_is_added_once_it_is_whole_and_drawn(finished: CampaignWorkspace) -> None:
    inbox = finished.campaign / "inbox"
    inbox.mkdir()
    (inbox / "more.yaml").write_text("- a yellow boat\n")
    (inbox / "bad.yaml").write_text("- a yellow boat\n- a red apple\n")
    with daemon(finished) as ticks:
        ticks.tick(prompt_inbox)
        assert (inbox / "more.yaml").exists(), "it may still be being written"
        (inbox / "more.yaml").write_text("- a yellow boat\n- a green boat\n")
        data = ticks.tick(prompt_inbox)
        assert data.run_requests == []
        assert "bad.yaml" in data.skip_message
        assert "a red apple" in data.skip_message
        [new] = ticks.tick(prompt_inbox).dynamic_partitions_requests
        assert list(new.partition_keys) == ["tiny-001"]
        assert "tiny-001: it has no partition yet" in ticks.tick(missing_work).skip_message
        ticks.instance.add_dynamic_partitions("prompt_batches", ["tiny-001"])
        [request] = ticks.tick(missing_work).run_requests
        assert (request.job_name, request.partition_key) == ("draw_batch", "tiny-001")
        assert [r.run_key for r in ticks.tick(missing_work).run_requests] == [request.run_key], "a daemon that died"
        ticks.run("draw_batch", "tiny-001")
        assert ticks.tick(missing_work).run_requests == []
    assert sorted(path.name for path in inbox.iterdir()) == ["rejected"]
    assert "already in" in (inbox / "rejected" / "bad.yaml.error.txt").read_text()
    assert {image[0] for image in finished.images()} == {1, 2, 3, 4, 5}


def test_a_dropped_file_that_names_what_is_protected_is_refused_when_the_campaign_says_so(
    workspace: CampaignWorkspace,
) -> None:
    workspace.write("campaign.yaml", {**CAMPAIGN, "prompt_check": {"protected": "refuse"}})
    workspace.write("prompts.yaml", PROMPTS[:2])
    inbox = workspace.campaign / "inbox"
    inbox.mkdir()
    (inbox / "cats.yaml").write_text("- a green boat\n- a pouting cat\n")
    with daemon(workspace) as ticks:
        ticks.tick(prompt_inbox)
        assert "cats.yaml" in ticks.tick(prompt_inbox).skip_message
    reason = (inbox / "rejected" / "cats.yaml.error.txt").read_text()
    assert "inbox/cats.yaml:2: text: names what is protected: 'pouting cat'" in reason
    assert (inbox / "rejected" / "cats.yaml").read_text() == "- a green boat\n- a pouting cat\n", "to be put right"


def _dead(ticks: Ticks, job: str, tags: dict[str, str]) -> Any:
    """What `failed_runs` says of a run that has just died."""
    run = ticks.instance.create_run_for_job(ticks.repository.get_job(job), tags=tags)
    ticks.instance.report_run_failed(run, "the machine went down")
    run = ticks.instance.get_run_by_id(run.run_id)
    assert run is not None
    [record] = ticks.instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
    context = dg.build_run_status_sensor_context(
        "failed_runs",
        dagster_instance=ticks.instance,
        dagster_run=run,
        dagster_event=record.event_log_entry.dagster_event,
        repository_def=ticks.repository,
    )
    return run, failed_runs(context.for_run_failure())


def test_a_run_that_died_is_started_again_twice_and_then_left(finished: CampaignWorkspace) -> None:
    with daemon(finished) as ticks:
        tags = {"dagster/partition": "tiny-000"}
        for count in (1, 2):
            run, request = _dead(ticks, "draw_batch", tags)
            assert request.run_key == f"retry:{run.run_id}"
            assert (request.job_name, request.partition_key) == ("draw_batch", "tiny-000")
            tags = {**request.tags, "dagster/partition": "tiny-000"}
            assert tags["twig/retry"] == str(count)
        run, answer = _dead(ticks, "draw_batch", tags)
        assert run.run_id[:8] in answer.skip_message


def test_runs_that_others_see_to_are_left_to_them(finished: CampaignWorkspace) -> None:
    with daemon(finished) as ticks:
        _, answer = _dead(ticks, "draw_batch", {"dagster/partition": "tiny-000", "twig/state": "abc"})
        assert "ssim_violations" in answer.skip_message
        finished.write("policy.yaml", ALL_FAIL)
        gated = ticks.run("draw_batch", "tiny-000")
        assert not gated.success
        [record] = ticks.instance.get_records_for_run(gated.run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
        context = dg.build_run_status_sensor_context(
            "failed_runs",
            dagster_instance=ticks.instance,
            dagster_run=gated.dagster_run,
            dagster_event=record.event_log_entry.dagster_event,
            repository_def=ticks.repository,
        )
        assert "ssim_violations" in failed_runs(context.for_run_failure()).skip_message
