"""The desk's pages, made on the server; without scripts they work too, with them by keys."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode, urlsplit

from fastapi import APIRouter, FastAPI, File, Form, HTTPException, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader
from starlette.exceptions import HTTPException as StarletteHTTPException

from twig_assets.campaign import Campaign, load_campaign
from twig_assets.catalog.models import AuditMatch, Reference
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.compliance import ReviewError
from twig_assets.compliance.decision_history import history
from twig_assets.desk.app import Desk
from twig_assets.desk.deciding import ConflictError, Wish, make, undo
from twig_assets.desk.items import KINDS, Item
from twig_assets.desk.lookups import image_view
from twig_assets.desk.pictures import NoPictureError, alike, png, stored, thumbnail, work_pixels
from twig_assets.desk.queue import Filters, page_of, step
from twig_assets.desk.release_status import status_of
from twig_assets.desk.requests import FormedPerson, NobodyError, TheCampaign, TheDesk, ThePerson, must_be_allowed
from twig_assets.desk.sessions import COOKIE, Person
from twig_assets.desk.snapshot import rules_of
from twig_assets.reports import report_path
from twig_assets.reports.render import turn

REASONS: dict[str, tuple[str, ...]] = {
    "waive": ("looked at: it shows its prompt and copies nothing", "licensed", "a generic element, nobody's own"),
    "reject": ("too close to a protected work", "does not show its prompt", "not good enough to publish"),
}
MOST_UPLOADED = 64 << 20
REPORT_FILE = re.compile(
    r"report(-[0-9TZ.]+)?\.html|report\.(json|zip)|pages-[0-9TZ.]+/[a-z]+-[0-9]+\.html"
    r"|pictures/[0-9a-f]{2}/[0-9a-f]{64}\.(png|webp)"
)
Last = Annotated[str, Query(pattern="^([^/?#:]+/[0-9]+-[0-9a-f]+)?$", max_length=400)]
# Jinja escapes by the file's name by default, and would take `.html.j2` for plain text.
templates = Jinja2Templates(
    env=Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, trim_blocks=True)
)
templates.env.filters["turn"] = turn
router = APIRouter(include_in_schema=False)


def install(app: FastAPI) -> None:
    """Add the pages to the application."""
    app.include_router(router)
    app.add_exception_handler(NobodyError, _to_the_door)
    app.add_exception_handler(StarletteHTTPException, _said)
    for error in (ReviewError, NotMaterializedError, ConflictError, NoPictureError):
        app.add_exception_handler(error, _said)


def shown(request: Request, name: str, person: Person | None, status: int = 200, **values: Any) -> HTMLResponse:
    """A page."""
    desk: Desk = request.app.state.desk
    common = {
        "person": person,
        "token": desk.door.token(person) if person else "",
        "unproven": not desk.door.settings.has_accounts,
        "kinds": KINDS,
    }
    return templates.TemplateResponse(request, name, common | values, status_code=status)


@router.get("/")
def campaigns(request: Request, desk: TheDesk, person: ThePerson) -> Response:
    """All campaigns with their tiles."""
    return shown(request, "campaigns.html.j2", person, views=desk.snapshot.campaigns())


@router.get("/queue")
def queue(
    request: Request,
    desk: TheDesk,
    person: ThePerson,
    filters: Annotated[Filters, Query()],
    page: int = 1,
    last: Last = "",
) -> Response:
    """What waits, the worst evidence first."""
    listed = page_of(desk.snapshot, filters, page)
    return shown(request, "queue.html.j2", person, listed=listed, filters=filters, reasons=REASONS, last=last)


@router.get("/image/{campaign}/{key}")
def image(
    request: Request,
    desk: TheDesk,
    person: ThePerson,
    campaign: TheCampaign,
    key: str,
    filters: Annotated[Filters, Query()],
    last: Last = "",
) -> Response:
    """An image beside the works that its verdict rests on, and what there is to decide."""
    prompt_id, _, sha256 = key.partition("-")
    if not prompt_id.isdecimal() or len(prompt_id) > 12 or not sha256:
        raise HTTPException(404, "There is no such image.")
    with desk.catalog.snapshot() as session:
        view = image_view(session, campaign.name, rules_of(session, campaign), int(prompt_id), sha256)
        if view is None:
            raise HTTPException(404, "There is no such image.")
        around = step(desk.snapshot, filters, campaign.name, key)
        return shown(
            request, "image.html.j2", person, v=view, campaign=campaign, key=key, filters=filters, around=around,
            reasons=REASONS, last=last if last != f"{campaign.name}/{key}" else "",
        )  # fmt: skip


@router.post("/decide/{campaign}/{key}")
def decide_one(
    desk: TheDesk,
    person: FormedPerson,
    campaign: TheCampaign,
    key: str,
    sha256: Annotated[str, Form(pattern="^[0-9a-f]{64}$")],
    seen: Annotated[int, Form()],
    decision: Annotated[str, Form(pattern="^(waive|reject|reject_all|lift|undo)$")],
    why: Annotated[str, Form(max_length=2000)] = "",
    back: Annotated[str, Form(max_length=2000)] = "/queue",
) -> Response:
    """Write down a decision, and go on with the next image."""
    wish = Wish(sha256, seen)
    if decision == "undo":
        undo(desk.catalog, campaign, wish, person.name)
        return RedirectResponse(f"/image/{campaign.name}/{key}?{urlsplit(_own(back)).query}", 303)
    wishes = [wish]
    if decision == "reject_all":
        decision, wishes = "reject", [wish, *_others(desk, campaign, key, sha256)]
    must_be_allowed(person, decision)
    make(desk.catalog, campaign, wishes, decision, person.name, why)  # type: ignore[arg-type]
    last = urlencode({"last": f"{campaign.name}/{key}"})
    target = _own(back)
    return RedirectResponse(f"{target}{'&' if '?' in target else '?'}{last}", 303)


def _others(desk: Desk, campaign: Campaign, key: str, sha256: str) -> list[Wish]:
    """The other images of an item's prompt that might be published in its place."""
    prompt_id, _, start = key.partition("-")
    with desk.catalog.snapshot() as session:
        view = image_view(session, campaign.name, rules_of(session, campaign), int(prompt_id), start)
    others = [] if view is None else [one for one in view.attempts if one.may_be_candidate]
    return [Wish(one.image.sha256, one.seen) for one in others if one.image.sha256 != sha256]


@router.post("/bulk")
def bulk(
    request: Request,
    desk: TheDesk,
    person: FormedPerson,
    decision: Annotated[str, Form(pattern="^(waive|reject|lift)$")],
    why: Annotated[str, Form(max_length=2000)],
    picked: Annotated[list[str], Form(max_length=5000)] = [],  # noqa: B006
    sure: Annotated[bool, Form()] = False,
    back: Annotated[str, Form(max_length=2000)] = "/queue",
) -> Response:
    """Say what a decision about many images would do; once somebody is sure, do it."""
    must_be_allowed(person, decision)
    chosen = _picked(desk, picked)
    if not sure:
        return shown(
            request, "bulk.html.j2", person, chosen=chosen, decision=decision, why=why, picked=picked, back=_own(back)
        )
    by_campaign: dict[str, dict[str, int]] = {}
    for item, seen in chosen:
        by_campaign.setdefault(item.campaign, {})[item.sha256] = seen
    for name, wishes in by_campaign.items():
        wanted = [Wish(sha256, seen) for sha256, seen in wishes.items()]
        make(desk.catalog, load_campaign(name, desk.root), wanted, decision, person.name, why)  # type: ignore[arg-type]
    return RedirectResponse(_own(back), 303)


def _picked(desk: Desk, picked: Sequence[str]) -> list[tuple[Item, int]]:
    """Items by what the form calls them, `campaign/key/seen`, each with the newest decision that was seen."""
    wanted = {name.rpartition("/")[0]: name.rpartition("/")[2] for name in picked}
    found = [
        (item, int(wanted[name]) if wanted[name].isdecimal() else 0)
        for view in desk.snapshot.campaigns()
        for item in view.items
        if (name := f"{item.campaign}/{item.key}") in wanted
    ]
    if len(found) < len(wanted):
        raise HTTPException(409, "Some of these images have changed meanwhile; load the list again.")
    return found


@router.get("/history/{campaign}")
def decisions(request: Request, desk: TheDesk, person: ThePerson, campaign: TheCampaign) -> Response:
    """All decisions of a campaign, the newest first."""
    with desk.catalog.snapshot() as session:
        made = history(session, campaign.name, rules_of(session, campaign))
        return shown(request, "history.html.j2", person, campaign=campaign, made=list(reversed(made)))


@router.get("/cleared")
def cleared_form(request: Request, person: ThePerson) -> Response:
    """Where a file is dropped to ask whether it is cleared."""
    return shown(request, "cleared.html.j2", person)


@router.post("/cleared")
def cleared(request: Request, desk: TheDesk, person: FormedPerson, file: Annotated[UploadFile, File()]) -> Response:
    """Say which release a file is, and what is known of it today."""
    content = file.file.read(MOST_UPLOADED + 1)
    if len(content) > MOST_UPLOADED:
        raise HTTPException(413, f"The file is larger than {MOST_UPLOADED >> 20} MB; send a smaller copy.")
    return shown(request, "cleared.html.j2", person, file=file.filename or "the file", found=status_of(desk, content))


@router.get("/report/{campaign}")
def report(person: ThePerson, campaign: TheCampaign) -> Response:
    """Where the compliance report is; what it names lies beside it."""
    return RedirectResponse(f"/report/{quote(campaign.name)}/report.html", 307)


@router.get("/report/{campaign}/{file:path}")
def report_file(person: ThePerson, campaign: TheCampaign, file: str) -> Response:
    """The compliance report as it was written last, its pages, their pictures, and the zip to mail."""
    if not REPORT_FILE.fullmatch(file):
        raise HTTPException(404, "There is no such page.")
    path = report_path(campaign.name).parent / file
    if not path.is_file():
        raise HTTPException(
            404, f"No such page of {campaign.name!r} is there now: the report was written again, or not yet."
        )
    return FileResponse(path)


@router.get("/picture/{sha256}")
def picture(desk: TheDesk, person: ThePerson, sha256: str, small: bool = False) -> Response:
    """An image or a mask."""
    with desk.catalog.snapshot() as session:
        content = stored(session, desk.store, sha256)
    headers = {"Cache-Control": "private, max-age=86400, immutable"}
    if small:
        return Response(thumbnail(content), media_type="image/webp", headers=headers)
    return Response(content, media_type="image/png", headers=headers)


@router.get("/protected/{campaign}/{work_id}")
def work(desk: TheDesk, person: ThePerson, campaign: TheCampaign, work_id: int) -> Response:
    """A protected work."""
    with desk.catalog.snapshot() as session:
        row = session.get(Reference, work_id)
        if row is None or row.campaign != campaign.name:
            raise HTTPException(404, "There is no such work.")
        pixels = work_pixels(desk.store, row, campaign.references_folder)
    return Response(png(pixels), media_type="image/png")


@router.get("/alike/{campaign}/{match_id}")
def alike_map(desk: TheDesk, person: ThePerson, campaign: TheCampaign, match_id: int) -> Response:
    """The map of where an image and a work are alike."""
    with desk.catalog.snapshot() as session:
        match = session.get(AuditMatch, match_id)
        if match is None or match.audit.image.prompt.batch.campaign != campaign.name:
            raise HTTPException(404, "There is no such comparison.")
        return Response(alike(desk.store, match, campaign.references_folder), media_type="image/png")


@router.get("/door")
def door(request: Request, back: str = "/") -> Response:
    """Where people say who they are."""
    return shown(request, "door.html.j2", None, back=_own(back), problem="")


@router.post("/door")
def enter(
    request: Request,
    desk: TheDesk,
    name: Annotated[str, Form(max_length=80)],
    password: Annotated[str, Form(max_length=500)] = "",
    back: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Let somebody in."""
    name, peer = " ".join(name.split()), request.client.host if request.client else ""
    problem, status = "", 200
    if not name or not name.isprintable():
        problem, status = "Write your name, for those who ask later who decided.", 400
    elif desk.door.settings.has_accounts:
        wait = desk.door.wait_s(name, peer)
        if wait > 0:
            problem, status = f"Too many wrong passwords; wait {wait:.0f} seconds.", 429
        elif not desk.door.password_fits(name, password, peer):
            problem, status = "Name or password is wrong.", 403
    if problem:
        return shown(request, "door.html.j2", None, status=status, back=_own(back), problem=problem)
    answer = RedirectResponse(_own(back), 303)
    answer.set_cookie(COOKIE, desk.door.cookie(name), httponly=True, samesite="strict", path="/")
    return answer


@router.post("/leave")
def leave(person: FormedPerson) -> Response:
    """End a session."""
    answer = RedirectResponse("/door", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def _own(address: str) -> str:
    """An address on this desk; the first page in place of any other."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not address.startswith("/") or address.startswith(("//", "/\\")):
        return "/"
    return address


async def _to_the_door(request: Request, error: Exception) -> Response:
    if request.url.path.startswith("/api/"):
        return Response("Say who you are: open a session at /door first.\n", 401, media_type="text/plain")
    if request.method != "GET":
        return RedirectResponse("/door", 303)
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/door?{urlencode({'back': back})}", 303)


async def _said(request: Request, error: Exception) -> Response:
    """An error as a page, or as JSON to programs, never as a trace."""
    status = error.status_code if isinstance(error, StarletteHTTPException) else _STATUS.get(type(error), 400)
    text = str(error.detail) if isinstance(error, StarletteHTTPException) else str(error)
    if request.url.path.startswith("/api/"):
        from fastapi.responses import JSONResponse

        return JSONResponse({"detail": text}, status)
    desk: Desk = request.app.state.desk
    return shown(request, "said.html.j2", desk.door.person(request), status=status, text=text)


_STATUS: dict[type[Exception], int] = {ConflictError: 409, NoPictureError: 404, NotMaterializedError: 409}
