"""Errors that another try does not mend become failures that Dagster does not try again."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from twig_assets.campaign import CampaignError
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.prompts import PromptError

PERMANENT = (CampaignError, NotMaterializedError, PromptError)
"""A person has to change a file or to materialize something first; the message says what."""


@contextmanager
def permanent_failures() -> Iterator[None]:
    """Turn each of PERMANENT that is raised in the `with` block into a failure without retries, with its message.

    Raises:
        dg.Failure: With the message of the error.
    """
    try:
        yield
    except PERMANENT as error:
        raise dg.Failure(str(error), allow_retries=False) from error
