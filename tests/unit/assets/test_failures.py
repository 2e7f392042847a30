"""Errors that another try does not mend are failures that Dagster does not try again."""

import dagster as dg
import pytest

from twig_assets.assets.shared.failures import PERMANENT, permanent_failures
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
