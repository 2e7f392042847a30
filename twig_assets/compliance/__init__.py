"""Keeping what is published in line with the policy and the corpus of the day, from rows alone: no image is opened."""

from twig_assets.compliance.enforce import Due, Enforced, Withdrawn, enforce
from twig_assets.compliance.rejudge import rejudge
from twig_assets.compliance.review import ReviewError, Waiting, decide, waiting
from twig_assets.compliance.survey import Survey, survey

__all__ = [
    "Due",
    "Enforced",
    "ReviewError",
    "Survey",
    "Waiting",
    "Withdrawn",
    "decide",
    "enforce",
    "rejudge",
    "survey",
    "waiting",
]
