"""Failures that a person reads: plain words in place of a stack trace, and no retry by Dagster."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.errors import DagsterUserCodeProcessError
from dagster_shared.error import SerializableErrorInfo

from twig_assets.campaign import CampaignError
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.prompts import PromptError

PERMANENT = (CampaignError, NotMaterializedError, PromptError)
"""A person has to change a file or to materialize something first; the message says what."""


class PlainFailure(DagsterUserCodeProcessError, dg.Failure):
    """A failure whose message says all there is to know.

    Dagster shows the stack of every exception of a step, in red, but for errors that another process has reported: of
    these it shows what was reported. This one reports its own message.
    """

    def __init__(self, message: str) -> None:
        """Say what happened and what to do."""
        reported = SerializableErrorInfo(message, stack=[], cls_name=None)
        super().__init__(message, allow_retries=False, user_code_process_error_infos=[reported])


def gate(result: dg.AssetCheckResult, closed: str) -> Iterator[dg.AssetCheckResult]:
    """Record the result of a blocking check; if it failed, end the run in plain words.

    Args:
        result: Of the check.
        closed: What a failed one comes to, and what happens next.

    Raises:
        PlainFailure: If the check failed, once that is recorded.
    """
    yield result
    if not result.passed:
        raise PlainFailure(closed)


@contextmanager
def permanent_failures() -> Iterator[None]:
    """Turn each of PERMANENT that is raised in the `with` block into a failure without retries, with its message.

    Raises:
        PlainFailure: With the message of the error.
    """
    try:
        yield
    except PERMANENT as error:
        raise PlainFailure(str(error)) from error
