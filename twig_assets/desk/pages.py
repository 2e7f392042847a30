"""The desk's pages, made on the server; without scripts they work too, with them by keys."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from fastapi import APIRouter, FastAPI, Form, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException as StarletteHTTPException

from twig_assets.campaign import Campaign, campaign_names, load_campaign
from twig_assets.campaign.element_parts import AllowedElementError
from twig_assets.campaign.rules_in_force import rules_of
from twig_assets.campaign.unread_works import UnreadError, decide_unread
from twig_assets.catalog.models import AuditMatch, Image, Reference
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.compliance import ReviewError
from twig_assets.compliance.events import campaign_events
from twig_assets.compliance.next_steps import NextStepError
from twig_assets.compliance.policy_changes import PolicyChangeError, PolicyConflictError
from twig_assets.desk import allowed, asking, cleared, lineage, thresholds
from twig_assets.desk.app import Desk
from twig_assets.desk.deciding import ConflictError, Wish, make, newest_decision, undo
from twig_assets.desk.items import Item
from twig_assets.desk.lookups import image_view
from twig_assets.desk.pictures import NoPictureError, alike, matched_features, png, stored, thumbnail, work_pixels
from twig_assets.desk.queue import Filters, every_one, page_of, step
from twig_assets.desk.requests import FormedPerson, NobodyError, TheCampaign, TheDesk, ThePerson, must_be_allowed
from twig_assets.desk.sessions import COOKIE
from twig_assets.desk.shown import own_address, shown
from twig_assets.desk.uploads import UploadError
from twig_assets.reports import report_path
from twig_assets.similarity import PolicyError

REASONS: dict[str, tuple[str, ...]] = {
    "waive": ("looked at: it shows its prompt and copies nothing", "licensed", "a generic element, nobody's own"),
    "reject": ("too close to a protected work", "does not show its prompt", "not good enough to publish"),
}
MOST_AT_ONCE = 2000
PLACE = "twig-desk-place"
"""The cookie that remembers which image somebody looked at last."""
REPORT_FILE = re.compile(
    r"report(-[0-9TZ.]+)?\.html|report\.(json|zip)|pages-[0-9TZ.]+/[a-z]+-[0-9]+\.html"
    r"|pictures/[0-9a-f]{2}/[0-9a-f]{64}\.(png|webp)"
)
Last = Annotated[str, Query(pattern="^([^/?#:]+/[0-9]+-[0-9a-f]+)?$", max_length=400)]
router = APIRouter(include_in_schema=False)


def install(app: FastAPI) -> None:
    """Add the pages to the application."""
    for pages in (router, asking.router, allowed.router, cleared.router, lineage.router, thresholds.router):
        app.include_router(pages)
    app.add_exception_handler(NobodyError, _to_the_door)
    app.add_exception_handler(StarletteHTTPException, _said)
    for error in _STATUS:
        app.add_exception_handler(error, _said)


@router.get("/")
def campaigns(request: Request, desk: TheDesk, person: ThePerson) -> Response:
    """All campaigns with their tiles."""
    here = request.url.hostname in ("127.0.0.1", "localhost", "::1")
    others = desk.other_servers() if here else []
    return shown(request, "campaigns.html.j2", person, views=desk.snapshot.campaigns(), others=others)


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
    campaign, _, key = request.cookies.get(PLACE, "").partition("/")
    around = step(desk.snapshot, filters, campaign, key) if key else None
    resume = around.after if around and around.before else None
    return shown(
        request, "queue.html.j2", person, listed=listed, filters=filters, reasons=REASONS, last=last, resume=resume,
        most=MOST_AT_ONCE,
    )  # fmt: skip


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
        page = shown(
            request, "image.html.j2", person, v=view, campaign=campaign, key=key, filters=filters, around=around,
            named=desk.named.of(campaign, view.prompt), reasons=REASONS,
            last=last if last != f"{campaign.name}/{key}" else "",
        )  # fmt: skip
    page.set_cookie(PLACE, f"{campaign.name}/{key}", httponly=True, samesite="strict", path="/queue")
    return page


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
        undo(desk.catalog, campaign, [wish], person.name)
        return RedirectResponse(f"/image/{campaign.name}/{key}?{urlsplit(own_address(back)).query}", 303)
    wishes = [wish]
    if decision == "reject_all":
        decision, wishes = "reject", [wish, *_others(desk, campaign, key, sha256)]
    must_be_allowed(person, decision)
    make(desk.catalog, campaign, wishes, decision, person.name, why)  # type: ignore[arg-type]
    last = urlencode({"last": f"{campaign.name}/{key}"})
    target = own_address(back)
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
    decision: Annotated[str, Form(pattern="^(waive|reject|lift|undo)$")],
    why: Annotated[str, Form(max_length=2000)] = "",
    picked: Annotated[list[str], Form(max_length=MOST_AT_ONCE)] = [],  # noqa: B006
    every: Annotated[bool, Form()] = False,
    sure: Annotated[bool, Form()] = False,
    back: Annotated[str, Form(max_length=2000)] = "/queue",
) -> Response:
    """Say what a decision about many images would do; once somebody is sure, do it, and offer to undo it."""
    must_be_allowed(person, "reject" if decision == "undo" else decision)
    back = own_address(back)
    if every and not sure:
        picked = _names(every_one(desk.snapshot, Filters.model_validate(dict(parse_qsl(urlsplit(back).query)))))
    if decision == "undo":
        for name, wishes in _decided(desk, picked).items():
            undo(desk.catalog, load_campaign(name, desk.root), wishes, person.name)
        return RedirectResponse(back, 303)
    chosen = _picked(desk, picked)
    if not sure:
        return shown(
            request, "bulk.html.j2", person, chosen=chosen, decision=decision, why=why, picked=picked, back=back
        )
    by_campaign: dict[str, dict[str, int]] = {}
    for item, seen in chosen:
        by_campaign.setdefault(item.campaign, {})[item.sha256] = seen
    for name, seen_of in by_campaign.items():
        wishes, campaign = [Wish(*pair) for pair in seen_of.items()], load_campaign(name, desk.root)
        make(desk.catalog, campaign, wishes, decision, person.name, why)  # type: ignore[arg-type]
    return shown(
        request, "done.html.j2", person, decision=decision, back=back, picked=_names(_now(desk, chosen)), why=why
    )  # fmt: skip


def _decided(desk: Desk, picked: Sequence[str]) -> dict[str, list[Wish]]:
    """Campaign -> pictures that forms name; whoever was decided about may be no item of the queue any more."""
    wishes: dict[str, dict[str, Wish]] = {}
    with desk.catalog.snapshot() as session:
        for name in picked:
            campaign, _, rest = name.partition("/")
            key, _, seen = rest.partition("/")
            number, _, sha256 = key.partition("-")
            if campaign not in campaign_names(desk.root) or not (number + seen).isdecimal():
                raise HTTPException(409, "Some of these images have changed meanwhile; load the list again.")
            drawn = select(Image.sha256).where(Image.prompt_id == int(number))
            found = session.scalars(drawn.where(Image.sha256.startswith(sha256, autoescape=True))).first()
            if found is not None:
                wishes.setdefault(campaign, {})[found] = Wish(found, int(seen))
    return {campaign: list(of_campaign.values()) for campaign, of_campaign in wishes.items()}


def _names(items: Sequence[Item]) -> list[str]:
    """What forms call items, with the newest decision about each; see `_picked`."""
    if len(items) > MOST_AT_ONCE:
        raise HTTPException(400, f"These are {len(items)}; at most {MOST_AT_ONCE} can be decided at once. Filter them.")
    return [f"{item.campaign}/{item.key}/{item.seen}" for item in items]


def _now(desk: Desk, chosen: Sequence[tuple[Item, int]]) -> list[Item]:
    """Items that were decided about, as they are after that, each with the new decision."""
    with desk.catalog.snapshot() as session:
        newest = {
            (item.campaign, item.sha256): newest_decision(session, item.campaign, item.sha256) for item, _ in chosen
        }
    made = {about: review.id for about, review in newest.items() if review}
    return [replace(item, seen=made.get((item.campaign, item.sha256), 0)) for item, _ in chosen]


@router.post("/unread/{campaign}")
def unread(
    desk: TheDesk,
    person: FormedPerson,
    campaign: TheCampaign,
    file: Annotated[str, Form(max_length=2000)],
    decision: Annotated[Literal["accept", "lift"], Form()],
    why: Annotated[str, Form(max_length=2000)],
    back: Annotated[str, Form(max_length=2000)] = "/queue",
) -> Response:
    """Accept that nothing is compared with a file of the corpus, or take that back."""
    must_be_allowed(person, "waive")
    with desk.catalog.session() as session:
        decide_unread(session, campaign, file, decision, person.name, why)
    return RedirectResponse(own_address(back), 303)


def _picked(desk: Desk, picked: Sequence[str]) -> list[tuple[Item, int]]:
    """Items by what the form calls them, `campaign/key/seen`, each with the newest decision that was seen."""
    wanted = {name.rpartition("/")[0]: name.rpartition("/")[2] for name in picked}
    items = {f"{item.campaign}/{item.key}": item for view in desk.snapshot.campaigns() for item in view.items}
    if not set(wanted) <= set(items):
        raise HTTPException(409, "Some of these images have changed meanwhile; load the list again.")
    return [(items[name], int(seen) if seen.isdecimal() else 0) for name, seen in wanted.items()]


@router.get("/history/{campaign}")
def decisions(request: Request, desk: TheDesk, person: ThePerson, campaign: TheCampaign) -> Response:
    """All that people decided in a campaign, and what ended by itself, the newest first."""
    with desk.catalog.snapshot() as session:
        events = campaign_events(session, campaign.name, rules_of(session, campaign))
        return shown(request, "history.html.j2", person, campaign=campaign, events=events)


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
        match = _comparison(session, campaign, match_id)
        return Response(alike(desk.store, match, campaign.references_folder), media_type="image/png")


@router.get("/features/{campaign}/{match_id}")
def features(desk: TheDesk, person: ThePerson, campaign: TheCampaign, match_id: int) -> Response:
    """The local features that an image and a work share, as lines."""
    with desk.catalog.snapshot() as session:
        match = _comparison(session, campaign, match_id)
        return Response(matched_features(desk.store, match, campaign.references_folder), media_type="image/png")


def _comparison(session: Session, campaign: Campaign, match_id: int) -> AuditMatch:
    match = session.get(AuditMatch, match_id)
    if match is None or match.audit.image.prompt.batch.campaign != campaign.name:
        raise HTTPException(404, "There is no such comparison.")
    return match


@router.get("/door")
def door(request: Request, back: str = "/") -> Response:
    """Where people say who they are."""
    return shown(request, "door.html.j2", None, back=own_address(back), problem="")


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
        return shown(request, "door.html.j2", None, status=status, back=own_address(back), problem=problem)
    answer = RedirectResponse(own_address(back), 303)
    answer.set_cookie(COOKIE, desk.door.cookie(name), httponly=True, samesite="strict", path="/")
    return answer


@router.post("/leave")
def leave(person: FormedPerson) -> Response:
    """End a session."""
    answer = RedirectResponse("/door", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


async def _to_the_door(request: Request, error: Exception) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": "Say who you are: open a session at /door first."}, 401)
    if request.method != "GET":
        return RedirectResponse("/door", 303)
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/door?{urlencode({'back': back})}", 303)


async def _said(request: Request, error: Exception) -> Response:
    """An error as a page, or as JSON to programs, never as a trace."""
    status = error.status_code if isinstance(error, StarletteHTTPException) else _STATUS.get(type(error), 400)
    text = str(error.detail) if isinstance(error, StarletteHTTPException) else str(error)
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": text}, status)
    desk: Desk = request.app.state.desk
    return shown(request, "said.html.j2", desk.door.person(request), status=status, text=text)


_STATUS: dict[type[Exception], int] = {
    ReviewError: 400,
    UnreadError: 400,
    AllowedElementError: 400,
    NextStepError: 400,
    PolicyChangeError: 400,
    UploadError: 400,
    PolicyError: 400,
    ConflictError: 409,
    PolicyConflictError: 409,
    NotMaterializedError: 409,
    NoPictureError: 404,
}
