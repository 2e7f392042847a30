"""The page that asks for the token of Dagster and MLflow, in a real browser, which says where a form comes from."""

import threading
from collections.abc import Iterator

import pytest
import uvicorn
from playwright.sync_api import Page
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.integration.browsing import browser, page_of
from tests.integration.serving import free_port
from twig_assets.guard import DAGSTER, Guard, GuardSettings

NAME = "twig.example.org"
TOKEN = "a-token-of-many-characters"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where a guarded page is served."""

    async def answer(request: Request) -> HTMLResponse:
        return HTMLResponse(f"reached {request.url.path}")

    app = Starlette(routes=[Route("/{path:path}", answer)])
    settings = GuardSettings(token=SecretStr(TOKEN), hosts=("127.0.0.1", NAME))
    chosen = free_port()
    server = uvicorn.Server(uvicorn.Config(Guard(app, DAGSTER, settings), port=chosen, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield chosen
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A browser that knows the name."""
    with browser(f"--host-resolver-rules=MAP {NAME} 127.0.0.1") as opened, page_of(opened) as page:
        yield page


@pytest.mark.parametrize("host", ["127.0.0.1", NAME])
def test_the_door_opens_for_the_token_and_leads_to_the_page_that_was_asked_for(
    page: Page, port: int, host: str
) -> None:
    page.goto(f"http://{host}:{port}/runs")
    page.get_by_label("Token").fill("another")
    page.get_by_role("button").click()
    assert page.get_by_role("alert").inner_text() == "That is not the token."
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button").click()
    page.get_by_text("reached /runs").wait_for()
