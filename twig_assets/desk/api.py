"""The desk for programs: the queue, decisions, and the status of a file, as JSON under `/api`."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Header, HTTPException, Query, Request, UploadFile
from pydantic import BaseModel, Field

from twig_assets.desk.app import Desk
from twig_assets.desk.deciding import Wish, make
from twig_assets.desk.items import Item
from twig_assets.desk.queue import Filters, page_of
from twig_assets.desk.release_status import Status, status_of
from twig_assets.desk.requests import TheCampaign, TheDesk, ThePerson, must_be_allowed
from twig_assets.desk.sessions import Person
from twig_assets.desk.uploads import Comparing, content_of

router = APIRouter(prefix="/api", tags=["desk"])
Token = Annotated[str, Header(alias="X-Twig-Token", max_length=200, description="As GET /api/me gives it.")]


class Me(BaseModel):
    """Who a session belongs to, and the token that its changes have to carry."""

    name: str
    role: str
    proven: bool
    token: str


class QueueItem(BaseModel):
    """An item of the queue; `id` names it, see `Item` for the rest."""

    id: str
    campaign: str
    batch: str
    prompt: str
    image_sha256: str
    kind: str
    state: str
    verdict: str | None
    adherence: str | None
    why: str
    next_step: str
    decided: str
    work: str
    rights_holder: str


class QueuePage(BaseModel):
    """A page of the queue."""

    total: int
    page: int
    pages: int
    items: list[QueueItem]


class NewDecision(BaseModel):
    """A decision about an image; `seen` is the id of the newest decision about it that you know, 0 for none."""

    image_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    decision: Literal["waive", "reject", "lift"]
    why: str = Field(min_length=1, max_length=2000)
    seen: int = Field(0, ge=0, le=2**31)


class DecisionsMade(BaseModel):
    """The ids of the decisions that were written down; the last one is what `seen` has to name next time."""

    ids: list[int]


class KnownImage(BaseModel):
    """An image that a file is, or is a copy of."""

    how: str
    campaign: str
    prompt: str
    image_sha256: str
    today: str
    why: str
    released_at: datetime | None
    withdrawn_at: datetime | None


class FileStatus(BaseModel):
    """What is known of a file; `sentence` says what recognised it, `notes` what its credential and the ledger say."""

    sha256: str
    cleared: bool
    problem: str | None
    known: list[KnownImage]
    sentence: str
    notes: list[str]


class WorkBeside(BaseModel):
    """A protected work beside a picture."""

    title: str
    rights_holder: str
    licence: str
    sha256: str


class Comparison(BaseModel):
    """What a picture has in common with a campaign's works: an opinion about similarity, not about infringement.

    `scores` holds, of each score, the one nearest to a copy of any work; `unread` names the files of works that the
    picture was not compared with.
    """

    sha256: str
    width: int
    height: int
    verdict: Literal["pass", "review", "fail", "inconclusive"]
    reasons: list[str]
    nearest: WorkBeside | None
    scores: dict[str, float | None]
    policy_sha256: str
    corpus_sha256: str
    unread: list[str]


_SAID: dict[int | str, dict[str, Any]] = {
    401: {"description": "Nobody is logged in."},
    403: {"description": "Not allowed."},
}


@router.get("/me", responses={401: _SAID[401]})
def me(desk: TheDesk, person: ThePerson) -> Me:
    """Who this session belongs to."""
    return Me(name=person.name, role=person.role, proven=person.proven, token=desk.door.token(person))


@router.get("/queue", responses={401: _SAID[401]})
def queue(
    desk: TheDesk,
    person: ThePerson,
    filters: Annotated[Filters, Query()],
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
) -> QueuePage:
    """What waits for people, the worst evidence first."""
    listed = page_of(desk.snapshot, filters, page)
    return QueuePage(
        total=listed.total, page=listed.number, pages=listed.pages, items=[_item(item) for item in listed.items]
    )


@router.post(
    "/campaigns/{campaign}/decisions",
    status_code=201,
    responses={
        **_SAID,
        400: {"description": "It cannot be written down."},
        404: {"description": "There is no such campaign."},
        409: {"description": "Somebody has decided meanwhile, or no model serves."},
    },
)
def decide(desk: TheDesk, person: ThePerson, campaign: TheCampaign, new: NewDecision, token: Token) -> DecisionsMade:
    """Write down a decision."""
    if not desk.door.token_fits(person, token):
        raise HTTPException(403, "X-Twig-Token does not belong to this session; GET /api/me gives it.")
    must_be_allowed(person, new.decision)
    wish = Wish(new.image_sha256, new.seen)
    return DecisionsMade(ids=make(desk.catalog, campaign, [wish], new.decision, person.name, new.why))


@router.post(
    "/campaigns/{campaign}/audit",
    responses={
        **_SAID,
        400: {"description": "The file is no picture."},
        404: {"description": "There is no such campaign."},
        409: {"description": "The works were never read, or have changed since."},
        413: {"description": "The file is too large."},
    },
)
def audit_file(
    request: Request,
    desk: TheDesk,
    person: ThePerson,
    campaign: TheCampaign,
    file: Annotated[UploadFile, File()],
    token: Token,
) -> Comparison:
    """Compare a picture with a campaign's works by its policy; nothing is kept of it."""
    content = _content(desk, person, file, token)
    comparing: Comparing = request.app.state.comparing
    made = comparing.compare(desk, campaign, content)
    work = made.nearest
    beside = None
    if work is not None:
        beside = WorkBeside(
            title=work.title, rights_holder=work.rights_holder, licence=work.licence, sha256=work.sha256
        )
    return Comparison(
        sha256=made.sha256,
        width=made.size[0],
        height=made.size[1],
        verdict=made.result.verdict,
        reasons=made.reasons,
        nearest=beside,
        scores=made.result.scores,
        policy_sha256=made.policy_sha256,
        corpus_sha256=made.corpus_sha256,
        unread=made.unread,
    )


@router.post("/status", responses={**_SAID, 413: {"description": "The file is too large."}})
def status(desk: TheDesk, person: ThePerson, file: Annotated[UploadFile, File()], token: Token) -> FileStatus:
    """Which release a file is, if any, and its status today."""
    return _status(status_of(desk, _content(desk, person, file, token)))


def _content(desk: Desk, person: Person, file: UploadFile, token: str) -> bytes:
    """The bytes of a file, from somebody who may send one, of a size that can be looked at."""
    if not desk.door.token_fits(person, token):
        raise HTTPException(403, "X-Twig-Token does not belong to this session; GET /api/me gives it.")
    return content_of(file)


def _item(item: Item) -> QueueItem:
    return QueueItem(
        id=f"{item.campaign}/{item.key}",
        campaign=item.campaign,
        batch=item.batch,
        prompt=item.prompt,
        image_sha256=item.sha256,
        kind=item.kind,
        state=item.state,
        verdict=item.verdict,
        adherence=item.adherence,
        why=item.why,
        next_step=item.next_step,
        decided=item.decided,
        work=item.work,
        rights_holder=item.holder,
    )


def _status(found: Status) -> FileStatus:
    known = [
        KnownImage(
            how=one.how,
            campaign=one.campaign,
            prompt=one.prompt,
            image_sha256=one.sha256,
            today=one.today,
            why=one.why,
            released_at=one.released_at,
            withdrawn_at=one.withdrawn_at,
        )
        for one in found.known
    ]
    return FileStatus(
        sha256=found.sha256,
        cleared=found.cleared,
        problem=found.problem,
        known=known,
        sentence=found.sentence,
        notes=list(found.notes),
    )
