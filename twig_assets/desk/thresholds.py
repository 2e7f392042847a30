"""The thresholds of a campaign: sliders, what a change would do by stored scores, and saving it with a reason."""

import math
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import rules_of
from twig_assets.compliance.policy_changes import (
    PolicyChangeError,
    Preview,
    change_policy,
    changed_policy,
    judge_by_stored_scores,
    policy_changes,
    preview,
    sliders,
)
from twig_assets.desk.requests import FormedPerson, TheCampaign, TheDesk, ThePerson, must_be_allowed
from twig_assets.desk.shown import shown
from twig_assets.similarity import Policy, read_policy

router = APIRouter(include_in_schema=False)
LISTED = 60
"""How many of the prompts that a change concerns are shown."""


@router.get("/thresholds/{campaign}")
def thresholds(request: Request, desk: TheDesk, person: ThePerson, campaign: TheCampaign) -> Response:
    """Sliders, with what the values in the address would do."""
    policy = read_policy(campaign.policy_file)
    with desk.catalog.snapshot() as session:
        tried, would = _tried(session, campaign, policy, request.query_params)
        return shown(
            request, "thresholds.html.j2", person, campaign=campaign, policy=policy, tried=tried.model_dump(),
            sliders=sliders(policy), would=would, listed=LISTED, made=policy_changes(session, campaign.name),
        )  # fmt: skip


@router.get("/thresholds/{campaign}/counts")
def counts(request: Request, desk: TheDesk, person: ThePerson, campaign: TheCampaign) -> Response:
    """The part of that page that changes as a slider moves."""
    policy = read_policy(campaign.policy_file)
    with desk.catalog.snapshot() as session:
        _, would = _tried(session, campaign, policy, request.query_params)
        return shown(request, "counts.html.j2", person, campaign=campaign, would=would, listed=LISTED)


async def values_of_form(request: Request) -> Mapping[str, Any]:
    """The fields of a form, whatever they are called."""
    return await request.form()


@router.post("/thresholds/{campaign}")
def save(
    desk: TheDesk,
    person: FormedPerson,
    campaign: TheCampaign,
    seen: Annotated[str, Form(pattern="^[0-9a-f]{64}$")],
    why: Annotated[str, Form(max_length=2000)],
    values: Annotated[Any, Depends(values_of_form)],
) -> Response:
    """Write other thresholds into the campaign's policy."""
    must_be_allowed(person, "thresholds")
    wanted = _wanted(read_policy(campaign.policy_file), values)
    with desk.catalog.claimed(f"policy of {campaign.name}"), desk.catalog.session() as session:
        change_policy(session, campaign, seen, wanted, person.name, why)
    judge_by_stored_scores(desk.catalog, campaign, by=f"desk, {person.name}")
    return RedirectResponse(f"/thresholds/{campaign.name}", 303)


def _tried(session: Session, campaign: Campaign, policy: Policy, values: Mapping[str, Any]) -> tuple[Policy, Preview]:
    tried = changed_policy(policy, _wanted(policy, values))
    return tried, preview(session, campaign.name, rules_of(session, campaign), tried)


def _wanted(policy: Policy, values: Mapping[str, Any]) -> dict[str, float]:
    """The thresholds in a form that are others than the policy's.

    Raises:
        PolicyChangeError: If one is no number.
    """
    wanted: dict[str, float] = {}
    for slider in sliders(policy):
        text = values.get(slider.field)
        if slider.value is None or text in (None, ""):
            continue
        try:
            number = float(str(text))
        except ValueError as error:
            raise PolicyChangeError(f"{slider.field}: {text!r} is no number") from error
        if not math.isfinite(number):
            raise PolicyChangeError(f"{slider.field}: {text!r} is no number")
        if number != slider.value:
            wanted[slider.field] = number
    return wanted
