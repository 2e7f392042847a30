"""Errors that another try does not mend, and gates that close, are told in plain words and not tried again."""

from collections.abc import Iterator

import dagster as dg
import pytest

from twig_assets.assets.shared.failures import PERMANENT, gate, permanent_failures
from twig_assets.prompts import PromptError


@pytest.mark.parametrize("error", PERMANENT)
def test_the_message_is_kept_and_nothing_is_tried_again(error: type[Exception]) -> None:
    raised = PromptError(["prompts.yaml:3: text: is empty"]) if error is PromptError else error("materialize masks")
    with pytest.raises(dg.Failure) as failure, permanent_failures():
        raise raised
    assert failure.value.description == str(raised)
    assert not failure.value.allow_retries
    assert failure.value.__cause__ is raised


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError), permanent_failures():
        raise ZeroDivisionError("a bug")


@dg.asset
def audits() -> None:
    """Something that is checked."""


@dg.asset_check(asset=audits, blocking=True)  # type: ignore[arg-type]
def below() -> Iterator[dg.AssetCheckResult]:
    """A gate that closes."""
    yield from gate(dg.AssetCheckResult(passed=False, description="3 failing"), "3 are drawn again")


@dg.asset(deps=[audits])
def released() -> None:
    """What the gate keeps back."""


def test_a_closed_gate_is_a_failed_check_and_a_failed_run_without_a_stack_trace() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        job = dg.Definitions([audits, released], asset_checks=[below]).resolve_implicit_global_asset_job_def()
        ended = job.execute_in_process(instance=instance, raise_on_error=False)
        assert not ended.success
        [check] = ended.get_asset_check_evaluations()
        assert (check.passed, check.blocking, check.description) == (False, True, "3 failing")
        [step] = [event.step_failure_data for event in ended.all_events if event.is_step_failure]
        assert step.error is not None
        assert (step.error.message, step.error.stack, step.error.cause) == ("3 are drawn again", [], None)
        assert step.user_failure_data is not None
        assert step.user_failure_data.description == "3 are drawn again"
        assert {event.step_key for event in ended.all_events if event.is_step_success} == {"audits"}
