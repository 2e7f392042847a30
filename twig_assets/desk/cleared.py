"""Is this cleared? What is known of a file that somebody drops, and what an unknown one has in common with works."""

from typing import Annotated

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from sqlalchemy import select

from twig_assets.campaign import campaign_names
from twig_assets.catalog.models import Reference
from twig_assets.desk.release_status import status_of
from twig_assets.desk.requests import FormedPerson, TheDesk, ThePerson, the_campaign
from twig_assets.desk.shown import shown
from twig_assets.desk.uploads import Comparing, content_of

router = APIRouter(include_in_schema=False)


@router.get("/cleared")
def form(request: Request, person: ThePerson) -> Response:
    """Where a file is dropped to ask whether it is cleared."""
    return shown(request, "cleared.html.j2", person)


@router.post("/cleared")
def cleared(request: Request, desk: TheDesk, person: FormedPerson, file: Annotated[UploadFile, File()]) -> Response:
    """Say which release a file is, and what is known of it today."""
    found = status_of(desk, content_of(file))
    return shown(
        request, "cleared.html.j2", person,
        file=file.filename or "the file", found=found, campaigns=campaign_names(desk.root),
    )  # fmt: skip


@router.post("/compare")
def compare(
    request: Request,
    desk: TheDesk,
    person: FormedPerson,
    campaign: Annotated[str, Form(max_length=255)],
    file: Annotated[UploadFile, File()],
) -> Response:
    """Compare a file with a campaign's works; nothing is kept of it."""
    settings, comparing = the_campaign(desk, campaign), request.app.state.comparing
    assert isinstance(comparing, Comparing)
    made = comparing.compare(desk, settings, content_of(file))
    with desk.catalog.snapshot() as session:
        wanted = select(Reference.id).where(Reference.campaign == settings.name, Reference.status == "active")
        work_id = session.scalar(wanted.where(Reference.sha256 == made.nearest.sha256)) if made.nearest else None
    return shown(
        request, "cleared.html.j2", person,
        file=file.filename or "the file", made=made, work_id=work_id, campaign=settings,
        campaigns=campaign_names(desk.root),
    )  # fmt: skip
