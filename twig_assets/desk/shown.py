"""Pages from templates, with what every page has: who is there, the token of their forms, names of kinds of items."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader

from twig_assets.desk.app import Desk
from twig_assets.desk.items import KINDS
from twig_assets.desk.sessions import Person
from twig_assets.reports.render import turn

# Jinja escapes by the file's name by default, and would take `.html.j2` for plain text.
templates = Jinja2Templates(
    env=Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, trim_blocks=True)
)
templates.env.filters["turn"] = turn


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


def own_address(address: str) -> str:
    """An address on this desk; the first page in place of any other."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not address.startswith("/") or address.startswith(("//", "/\\")):
        return "/"
    return address
