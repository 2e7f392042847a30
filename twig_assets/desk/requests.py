"""What pages and API ask of every request: the desk, who is there, which campaign, and forms that are our own."""

from typing import Annotated

from fastapi import Depends, Form, HTTPException, Request

from twig_assets.campaign import Campaign, campaign_names, load_campaign
from twig_assets.desk.app import Desk
from twig_assets.desk.sessions import Person


class NobodyError(Exception):
    """Somebody has not said who they are; pages lead them to the door."""


def the_desk(request: Request) -> Desk:
    """The desk that the application was made with."""
    desk: Desk = request.app.state.desk
    return desk


TheDesk = Annotated[Desk, Depends(the_desk)]


def the_person(request: Request, desk: TheDesk) -> Person:
    """Who sends the request.

    Raises:
        NobodyError: If they have not said so.
    """
    person = desk.door.person(request)
    if person is None:
        raise NobodyError
    return person


ThePerson = Annotated[Person, Depends(the_person)]


def formed(desk: TheDesk, person: ThePerson, token: Annotated[str, Form(max_length=200)] = "") -> Person:
    """Who sends a form, if it is one of this desk's pages' own."""
    if not desk.door.token_fits(person, token):
        raise HTTPException(403, "This form is no longer valid; go back, load the page again, and repeat it.")
    return person


FormedPerson = Annotated[Person, Depends(formed)]


def the_campaign(desk: TheDesk, campaign: str) -> Campaign:
    """The campaign that an address names."""
    if campaign not in campaign_names(desk.root):
        raise HTTPException(404, f"There is no campaign {campaign!r}.")
    return load_campaign(campaign, desk.root)


TheCampaign = Annotated[Campaign, Depends(the_campaign)]


def must_be_allowed(person: Person, decision: str) -> None:
    """Refuse what somebody's role does not allow."""
    if not person.may(decision):
        raise HTTPException(403, f"Your role, {person.role}, does not allow this.")
