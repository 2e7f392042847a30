"""What may be shown of protected works: a page for each work, where a part is drawn on it, and a list of all."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import func, select

from twig_assets.campaign.allowed_elements import allow, described, element_states, lift_element
from twig_assets.campaign.element_parts import all_but, checked_parts
from twig_assets.catalog.models import Audit, Reference
from twig_assets.desk.requests import FormedPerson, TheCampaign, TheDesk, ThePerson, must_be_allowed
from twig_assets.desk.shown import shown
from twig_assets.similarity.allowed import Part

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=2000)]
Percent = Annotated[float, Form(ge=0, le=100)]


@router.get("/allowed/{campaign}")
def elements(request: Request, desk: TheDesk, person: ThePerson, campaign: TheCampaign) -> Response:
    """What was ever allowed in a campaign, and its works."""
    with desk.catalog.snapshot() as session:
        states = element_states(session, campaign.name)
        of_campaign = select(Reference).where(Reference.campaign == campaign.name, Reference.status == "active")
        works = list(session.scalars(of_campaign.order_by(Reference.title)))
        return shown(
            request, "allowed.html.j2", person,
            campaign=campaign, states=list(reversed(states)), works=works, described=described,
        )  # fmt: skip


@router.get("/work/{campaign}/{work_id}")
def work(request: Request, desk: TheDesk, person: ThePerson, campaign: TheCampaign, work_id: int) -> Response:
    """A protected work, what is allowed of it, and a form that allows more."""
    with desk.catalog.snapshot() as session:
        row = session.get(Reference, work_id)
        if row is None or row.campaign != campaign.name:
            raise HTTPException(404, "There is no such work.")
        states = [s for s in element_states(session, campaign.name) if s.element.work_sha256 == row.sha256]
        resting = select(func.count(Audit.image_id.distinct())).where(
            Audit.nearest_reference_id == row.id, Audit.verdict.in_(("fail", "review")), Audit.allowed.is_(None)
        )
        return shown(
            request, "work.html.j2", person, campaign=campaign, work=row, states=list(reversed(states)),
            resting=session.scalar(resting) or 0, described=described,
        )  # fmt: skip


@router.post("/work/{campaign}/{work_id}")
def allow_it(
    desk: TheDesk,
    person: FormedPerson,
    campaign: TheCampaign,
    work_id: int,
    kind: Annotated[str, Form(max_length=20)],
    why: Text,
    what: Annotated[str, Form(pattern="^(whole|part|outside)$")] = "whole",
    x: Percent = 0,
    y: Percent = 0,
    width: Percent = 100,
    height: Percent = 100,
    until: Annotated[str, Form(max_length=10)] = "",
    everywhere: Annotated[bool, Form()] = False,
) -> Response:
    """Write down that a work, or a part of it, may be shown."""
    must_be_allowed(person, "allow")
    with desk.catalog.session() as session:
        row = session.get(Reference, work_id)
        if row is None or row.campaign != campaign.name:
            raise HTTPException(404, "There is no such work.")
        parts = _parts(what, (x / 100, y / 100, width / 100, height / 100))
        allow(
            session, campaign.name, row.sha256, kind, person.name, why,  # type: ignore[arg-type]
            parts=parts, until=until or None, everywhere=everywhere,
        )  # fmt: skip
    return RedirectResponse(f"/work/{campaign.name}/{work_id}", 303)


@router.post("/allowed/{campaign}/{element_id}/lift")
def lift(desk: TheDesk, person: FormedPerson, campaign: TheCampaign, element_id: int, why: Text = "") -> Response:
    """Take back what was allowed."""
    must_be_allowed(person, "allow")
    with desk.catalog.session() as session:
        lift_element(session, campaign.name, element_id, person.name, why)
    return RedirectResponse(f"/allowed/{campaign.name}", 303)


def _parts(what: str, part: Part) -> Sequence[Part]:
    if what == "whole":
        return ()
    [checked] = checked_parts([part])
    return (checked,) if what == "part" else all_but(checked)
