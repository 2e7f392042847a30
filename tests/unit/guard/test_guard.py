"""The guard, in front of an application that answers everything and says that it was reached."""

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from twig_assets.guard import DAGSTER, MLFLOW, Guard, GuardError, GuardSettings, Rules, read_settings

OURS = "http://127.0.0.1:3000"
SOCKET = "ws://127.0.0.1:3000/graphql"
JSON = {"content-type": "application/json"}
MUTATION = "mutation { wipeAssets }"
TOKEN = "a-token-of-many-characters"


def guarded(rules: Rules = DAGSTER, token: str | None = None) -> TestClient:
    async def answer(request: Request) -> Response:
        body = await request.body()
        return PlainTextResponse(f"reached with {len(body)}", headers={"Access-Control-Allow-Origin": "*"})

    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("reached")
        await socket.close()

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    app = Starlette(routes=[WebSocketRoute("/graphql", talk), Route("/{path:path}", answer, methods=methods)])
    settings = GuardSettings(token=SecretStr(token) if token else None)
    return TestClient(Guard(app, rules, settings), base_url=OURS, follow_redirects=False)


def test_what_its_own_page_asks_for_passes() -> None:
    headers = {**JSON, "origin": OURS, "sec-fetch-site": "same-origin"}
    answer = guarded().post("/graphql", content=b'{"query": "{ a }"}', headers=headers)
    assert answer.text == "reached with 18"


def test_a_program_that_is_no_browser_passes() -> None:
    assert guarded().post("/graphql", json={"query": "{ a }"}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example:3000", "127.0.0.1.evil.example", "localhost.", "0.0.0.0:3000", ""])
def test_a_name_that_is_not_ours_is_refused(host: str) -> None:
    assert guarded().get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost:3000", "127.0.0.1:8000", "[::1]:3000", "LOCALHOST"])
def test_names_of_this_machine_pass_through_any_tunnel(host: str) -> None:
    assert guarded().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:3100", "http://localhost:3000", "http://127.0.0.1"]
)
def test_another_origin_is_refused(origin: str) -> None:
    client = guarded()
    assert client.post("/graphql", json={"query": MUTATION}, headers={"origin": origin}).status_code == 403
    assert client.get("/", headers={"origin": origin}).status_code == 403
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(SOCKET, headers={"origin": origin}):
        pass


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_a_change_that_another_site_asks_for_is_refused(site: str) -> None:
    headers = {"sec-fetch-site": site}
    assert guarded().post("/graphql", json={"query": MUTATION}, headers=headers).status_code == 403


def test_a_link_from_elsewhere_may_be_followed_but_not_framed() -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert guarded().get("/runs", headers=link).status_code == 200
    assert guarded().get("/runs", headers={**link, "sec-fetch-dest": "iframe"}).status_code == 403
    assert (
        guarded().get("/runs", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}).status_code == 403
    )


@pytest.mark.parametrize("path", ["/graphql", "/graphql/"])
def test_graphql_in_an_address_is_refused(path: str) -> None:
    assert guarded().get(path, params={"query": MUTATION}).status_code == 405
    assert guarded().get(path, headers={"accept": "text/html"}).status_code == 200


@pytest.mark.parametrize(
    "kind",
    [None, "text/plain", "text/plain; application/json", "application/x-www-form-urlencoded", "application/graphql"],
)
def test_only_json_changes_something(kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    assert guarded().post("/graphql", content=b"{}", headers=headers).status_code == 415


def test_a_bodiless_post_is_refused_however_it_says_so() -> None:
    client = guarded()
    assert client.post("/graphql?op=a", headers=JSON).status_code == 400
    assert client.post("/graphql?op=a", headers=JSON, content=iter([b""])).status_code == 400


def test_a_body_that_never_ends_is_refused() -> None:
    part = b" " * (1 << 20)
    assert guarded().post("/graphql", headers=JSON, content=(part for _ in range(33))).status_code == 413


def test_results_of_checks_cannot_be_told_to_dagster() -> None:
    answer = guarded().post("/report_asset_check/similarity_audits", json={"passed": True})
    assert answer.status_code == 403


def test_what_runs_commands_in_mlflow_is_closed() -> None:
    assert guarded(MLFLOW).post("/ajax-api/3.0/mlflow/assistant/sessions", json={"a": 1}).status_code == 403
    assert guarded(MLFLOW).get("/gateway/x").status_code == 403


def test_mlflow_takes_files_of_any_type_from_programs() -> None:
    client = guarded(MLFLOW)
    path = "/api/2.0/mlflow-artifacts/artifacts/0/a.png"
    assert client.put(path, content=b"png", headers={"content-type": "image/png"}).text == "reached with 3"
    assert client.delete(path).status_code == 200
    assert client.put(path, content=b"png", headers={"origin": "http://evil.example"}).status_code == 403


def test_answers_cannot_be_read_or_framed_by_other_pages() -> None:
    headers = guarded().get("/").headers
    assert "access-control-allow-origin" not in headers
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in headers["content-security-policy"]


def test_a_websocket_of_its_own_page_passes() -> None:
    with guarded().websocket_connect(SOCKET, headers={"origin": OURS}) as socket:
        assert socket.receive_text() == "reached"


def test_without_the_token_nothing_passes() -> None:
    client = guarded(token=TOKEN)
    assert client.get("/server_info").status_code == 401
    assert client.post("/graphql", json={"query": "{ a }"}).status_code == 401
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(SOCKET):
        pass
    assert client.get("/server_info", headers={"authorization": f"Bearer {TOKEN}x"}).status_code == 401


def test_a_program_shows_the_token_in_a_header() -> None:
    assert guarded(token=TOKEN).get("/server_info", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_a_person_is_asked_for_the_token_once_and_comes_where_they_wanted_to() -> None:
    client = guarded(token=TOKEN)
    asked = client.get("/runs?status=failed", headers={"accept": "text/html"})
    assert asked.status_code == 401
    assert 'value="/runs?status=failed"' in asked.text.replace("'", '"')
    wrong = client.post("/twig-door", data={"token": "no", "wanted": "/runs"}, headers={"origin": OURS})
    assert wrong.status_code == 403
    let_in = client.post("/twig-door", data={"token": TOKEN, "wanted": "/runs"}, headers={"origin": OURS})
    assert (let_in.status_code, let_in.headers["location"]) == (303, "/runs")
    assert TOKEN not in str(let_in.headers)
    assert client.get("/runs").text == "reached with 0"


@pytest.mark.parametrize("wanted", ["//evil.example", "/\\evil.example", "https://evil.example", "/a\nSet-Cookie: b"])
def test_the_door_leads_to_no_other_place(wanted: str) -> None:
    let_in = guarded(token=TOKEN).post("/twig-door", data={"token": TOKEN, "wanted": wanted})
    assert let_in.headers["location"] == "/"


def test_a_cookie_that_another_token_signed_is_refused() -> None:
    other = guarded(token=f"{TOKEN}-of-another-server").post("/twig-door", data={"token": f"{TOKEN}-of-another-server"})
    cookie = other.headers["set-cookie"].partition(";")[0]
    assert guarded(token=TOKEN).get("/", headers={"cookie": cookie}).status_code == 401


def test_a_token_that_can_be_guessed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIG_UI_TOKEN", "short")
    with pytest.raises(GuardError, match="TWIG_UI_TOKEN") as raised:
        read_settings()
    assert "short" not in str(raised.value)


def test_settings_show_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIG_UI_TOKEN", TOKEN)
    monkeypatch.setenv("TWIG_UI_HOSTS", "Dagster.example, mlflow.example")
    settings = read_settings()
    assert settings.hosts[-2:] == ("dagster.example", "mlflow.example")
    assert TOKEN not in repr(settings)
