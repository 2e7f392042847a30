"""Two campaigns in one location: nothing of the one is drawn, compared or judged by what the other says."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg
import pytest
from sqlalchemy import select

from tests.integration.conftest import ALL_FAIL, CAMPAIGN, CONCEPTS, POLICY, PROMPTS, CampaignWorkspace
from tests.integration.test_sensors import Ticks, daemon
from twig_assets.catalog.models import Audit, Concept, CorpusVersion, Image, Notification, Prompt, PromptBatch
from twig_assets.sensors import (
    campaign_partitions,
    compliance_schedule,
    missing_work,
    notifications,
    prompt_inbox,
    ssim_violations,
)
from twig_assets.sensors.jobs import BATCH_ASSETS

OTHER = "other"


@pytest.fixture
def two(finished: CampaignWorkspace) -> CampaignWorkspace:
    """A campaign that was run, and one beside it of which there is nothing but its folder."""
    other = CampaignWorkspace(finished.folder, OTHER, finished.server_url)
    other.write("campaign.yaml", {**CAMPAIGN, "title": "Other", "max_attempts": 1})
    other.write("prompts.yaml", PROMPTS[:1])
    other.write("concepts.yaml", [{**CONCEPTS[0], "preserve": ["a crying cat"]}])
    other.write("policy.yaml", POLICY)
    other.protect(1)
    return finished


@contextmanager
def adopted(workspace: CampaignWorkspace) -> Iterator[Ticks]:
    """The daemon, after it has made partitions of what is in the folders."""
    with daemon(workspace) as ticks:
        for request in ticks.tick(campaign_partitions).dynamic_partitions_requests:
            ticks.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        yield ticks


def _make_everything(ticks: Ticks) -> list[tuple[str, str]]:
    """Run what `missing_work` asks for until it asks for nothing; returns job and partition of every run."""
    done = []
    while requests := ticks.tick(missing_work).run_requests:
        for request in requests:
            assert ticks.run(request.job_name, request.partition_key).success
            done.append((request.job_name, request.partition_key))
    return done


def test_a_folder_is_all_that_a_second_campaign_needs_and_its_images_are_its_own(two: CampaignWorkspace) -> None:
    before = two.released()
    with adopted(two) as ticks:
        concepts = [f"{OTHER}.{row['name']}" for row in CONCEPTS]
        assert _make_everything(ticks) == [
            ("read_inputs", OTHER),
            *(("ablate_concept", key) for key in concepts),
            ("compose_model", OTHER),
            ("draw_batch", f"{OTHER}-000"),
        ]
    with two.catalog() as session:
        corpus = session.scalars(select(CorpusVersion).where(CorpusVersion.campaign == OTHER)).one()
        audits = session.scalars(
            select(Audit).join(Image).join(Prompt).join(PromptBatch).where(PromptBatch.campaign == OTHER)
        ).all()
        assert {audit.corpus_version_id for audit in audits} == {corpus.id}
        assert len(corpus.members) == 1
        assert {c.campaign for c in session.scalars(select(Concept))} == {"tiny", OTHER}
    assert len(two.released()) == len(before) + 1
    assert before.items() <= two.released().items()
    with adopted(two) as ticks:
        CampaignWorkspace(two.folder, OTHER).write("policy.yaml", ALL_FAIL)
        ticks.tick(ssim_violations)
    assert two.released() == before, "the other campaign's policy withdraws its own image and no more"


def test_a_campaign_that_cannot_be_read_keeps_no_other_from_its_work_and_people_are_told(
    two: CampaignWorkspace,
) -> None:
    (two.root / OTHER / "policy.yaml").write_text("fail: [")
    (two.root / OTHER / "campaign.yaml").write_text("title: 3\nnonsense: 4\n")
    two.write("policy.yaml", ALL_FAIL)
    with daemon(two) as ticks:
        for count in (1, 2, 3):
            data = ticks.tick(ssim_violations)
            [request] = data.run_requests
            assert request.partition_key == "tiny-000"
            assert f'"failed": {count}' in data.cursor
        ticks.tick(notifications)
        ticks.tick(prompt_inbox)
    assert two.released() == {}
    with two.catalog() as session:
        told = session.scalars(select(Notification).where(Notification.campaign == OTHER)).all()
        assert {(row.event, row.subject) for row in told} == {("failing", "ssim_violations")}
        assert "nonsense" in next(iter(told[0].items.values()))


def test_prompts_that_were_changed_after_they_had_been_drawn_are_told_and_not_drawn(two: CampaignWorkspace) -> None:
    drawn = two.images()
    two.write("prompts.yaml", ["a green boat", "a yellow boat"])
    with adopted(two) as ticks:
        message = ticks.tick(missing_work).skip_message or ""
        ticks.tick(missing_work)
    with two.catalog() as session:
        [told] = session.scalars(select(Notification).where(Notification.event == "edited"))
    assert any("a green boat" in line for line in told.items.values()), message
    assert two.images() == drawn


def test_a_run_cannot_be_told_to_use_other_files(finished: CampaignWorkspace) -> None:
    with daemon(finished) as ticks:
        job = ticks.defs.resolve_job_def("draw_batch")
        elsewhere = {"resources": {"campaigns": {"config": {"root": "/somewhere/else"}}}}
        for told in (elsewhere, *({"ops": {name: {"config": {"policy": "another"}}}} for name in BATCH_ASSETS)):
            with pytest.raises(dg.DagsterInvalidConfigError):
                job.execute_in_process(instance=ticks.instance, partition_key="tiny-000", run_config=told)


def test_a_batch_of_no_campaign_is_refused_by_name(finished: CampaignWorkspace) -> None:
    with daemon(finished) as ticks:
        ticks.instance.add_dynamic_partitions("prompt_batches", ["nobody-000", "tiny"])
        for key, said in (("nobody-000", "there is no campaign 'nobody'"), ("tiny", "is no batch of a campaign")):
            run = ticks.run("draw_batch", key)
            assert not run.success
            [failure] = [e for e in run.all_events if e.is_step_failure]
            assert said in str(failure.step_failure_data)


def test_the_daily_audit_is_of_every_campaign(two: CampaignWorkspace) -> None:
    with adopted(two) as ticks:
        resources = ticks.repository.get_top_level_resources()
        with dg.build_schedule_context(
            scheduled_execution_time=datetime.now(UTC),
            instance_ref=ticks.instance.get_ref(),
            repository_def=ticks.repository,
            resources=resources,
        ) as context:
            requests = compliance_schedule.evaluate_tick(context).run_requests
        assert [request.partition_key for request in requests or []] == [OTHER, "tiny"]
