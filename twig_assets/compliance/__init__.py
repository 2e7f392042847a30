"""Keeping what is published in line with the policy and the corpus in force.

Rows suffice for all of it but `auditing`, which opens images and scores them.
"""

from twig_assets.compliance.enforce import Due, Enforced, Withdrawn, enforce
from twig_assets.compliance.rejudge import rejudge
from twig_assets.compliance.review import ReviewError, Waiting, decide, waiting
from twig_assets.compliance.state import CandidateState, candidate_state
from twig_assets.compliance.survey import Survey, survey

__all__ = [
    "CandidateState",
    "Due",
    "Enforced",
    "ReviewError",
    "Survey",
    "Waiting",
    "Withdrawn",
    "candidate_state",
    "decide",
    "enforce",
    "rejudge",
    "survey",
    "waiting",
]
