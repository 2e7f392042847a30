"""What Dagster knows is read from its own records, where it has any."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickData, TickStatus
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._utils.error import SerializableErrorInfo

from twig_assets.orchestration.dagster_status import dagster_status


def test_where_dagster_has_never_run_nothing_is_said_and_nothing_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIG_HOME", str(tmp_path))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    assert dagster_status() is None
    assert list(tmp_path.iterdir()) == []


def test_the_last_tick_of_a_sensor_is_said_with_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    target = LoadableTargetOrigin(module_name="twig_assets.definitions")
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, "twig")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), "missing_work")
    selector = origin.get_selector().get_id()
    with dg.DagsterInstance.get() as instance:
        state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE)
        instance.add_instigator_state(state)
        error = SerializableErrorInfo("SchemaError: run `twig db upgrade`\n", [], None)
        for status, at in ((TickStatus.SKIPPED, 1000.0), (TickStatus.FAILURE, 2000.0)):
            failed = error if status == TickStatus.FAILURE else None
            instance.create_tick(
                TickData(
                    origin.get_id(),
                    "missing_work",
                    InstigatorType.SENSOR,
                    status,
                    at,
                    selector_id=selector,
                    error=failed,
                )
            )
    said = dagster_status()
    assert said is not None
    [tick] = said.ticks
    assert (tick.name, tick.status, tick.error) == (
        "missing_work",
        "failure",
        "SchemaError: run `twig db upgrade`",
    )
    assert (said.daemon, said.queued, said.going_on, said.failed) == (False, 0, 0, 0)


@dg.asset(key="similarity_audits")
def audits() -> None:
    """Stands for the asset that carries the gate."""


@dg.asset_check(asset=audits, blocking=True)
def ssim_below_threshold() -> dg.AssetCheckResult:
    """Stands for the gate, closed."""
    return dg.AssetCheckResult(passed=False)


@dg.asset
def broken() -> None:
    """Fails."""
    raise ValueError("broken")


def test_a_run_that_the_gate_stopped_is_not_counted_among_those_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    defs = dg.Definitions(assets=[audits, broken], asset_checks=[ssim_below_threshold])
    with dg.DagsterInstance.get() as instance:
        for asset in ("similarity_audits", "broken"):
            job = defs.resolve_implicit_global_asset_job_def().get_subset(asset_selection={dg.AssetKey(asset)})
            assert not job.execute_in_process(instance=instance, raise_on_error=False).success
        assert instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])) == 2
    said = dagster_status()
    assert said is not None
    assert said.failed == 1
