"""Who gets in, and what a request from elsewhere cannot do."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import argon2
import pytest
import uvicorn
from fastapi.testclient import TestClient
from pydantic import SecretStr
from starlette.requests import Request
from typer.testing import CliRunner

from tests.unit.desk.conftest import Opened
from twig_assets.catalog.models import Review
from twig_assets.cli import app as twig
from twig_assets.desk.sessions import COOKIE, Door
from twig_assets.desk.settings import User

QUICK = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
ACCOUNTS = "\n".join(
    ["# who", *(f"{name}:{role}:{QUICK.hash('open ' + name)}" for name, role in (
        ("Rea", "reader"), ("Rev", "reviewer"), ("App", "approver")
    ))]
)  # fmt: skip


def test_a_name_is_asked_for_and_said_to_be_unproven(desk: Opened) -> None:
    answer = desk.client.get("/queue?campaign=demo", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/door?back=%2Fqueue%3Fcampaign%3Ddemo")
    assert "names are taken on trust" in desk.client.get("/door").text
    assert desk.client.get("/api/queue").status_code == 401
    desk.enter("Ada")
    assert "(unproven)" in desk.client.get("/").text
    cookie = desk.client.post("/door", data={"name": "Ada"}, follow_redirects=False).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_the_door_leads_nowhere_else(desk: Opened, back: str) -> None:
    answer = desk.client.post("/door", data={"name": "Ada", "back": back}, follow_redirects=False)
    assert answer.headers["location"] == "/"


def test_roles_decide_what_somebody_may_do(locked: Callable[[str], Opened]) -> None:
    desk = locked(ACCOUNTS)
    done = {}
    for name in ("Rea", "Rev", "App"):
        desk.enter(name, f"open {name}")
        owl = desk.items()[1]
        page = desk.client.get(f"/image/{owl['id']}").text
        assert ("Let through" in page) == (name == "App")
        done[name] = [desk.decide(owl, decision) for decision in ("waive", "reject")]
    assert done == {"Rea": [403, 403], "Rev": [403, 303], "App": [303, 409]}, (
        "the owl is decided; of the cow, the second has not seen the first"
    )


def test_one_person_is_not_two_whatever_they_call_themselves(desk: Opened) -> None:
    policy = desk.root / "demo" / "policy.yaml"
    policy.write_text(policy.read_text("utf-8") + "\ndecisions: {approvals: 2}\n", "utf-8")
    desk.enter("Ada")
    copy = desk.items()[0]
    seen = 0
    for name in ("Ada", "  ADA ", "ada"):
        desk.enter(name)
        assert desk.decide(copy, "waive", "licensed", seen=seen) == 303
        [item] = [item for item in desk.items() if item["id"] == copy["id"]]
        assert item["kind"] == "agree"
        with desk.catalog.session() as session:
            seen = max(row.id for row in session.query(Review))
    desk.enter("Bob")
    assert desk.decide(copy, "waive", "licensed") == 409, "Bob has not seen Ada's"
    assert desk.decide(copy, "waive", "licensed", seen=seen) == 303
    assert [item["kind"] for item in desk.items(kind="waived")] == ["waived"]


def test_wrong_passwords_make_the_next_tries_wait(locked: Callable[[str], Opened]) -> None:
    desk = locked(ACCOUNTS)

    def tried(name: str, password: str) -> int:
        form = {"name": name, "password": password}
        return desk.client.post("/door", data=form, follow_redirects=False).status_code

    assert [tried("App", "wrong") for _ in range(6)] == [403] * 5 + [429]
    assert tried("App", "open App") == 429, "also with the right one, or guessing would go on"


def test_one_peer_that_tries_many_names_waits_too(locked: Callable[[str], Opened]) -> None:
    desk = locked(ACCOUNTS)
    monkey = [desk.client.post("/door", data={"name": f"N{n}", "password": "x"}).status_code for n in range(31)]
    assert monkey == [403] * 30 + [429]


def test_a_new_password_and_a_lost_account_end_all_sessions(locked: Callable[[str], Opened]) -> None:
    desk = locked(ACCOUNTS)
    desk.enter("App", "open App")
    cookie = desk.client.cookies[COOKIE]
    for accounts in (f"App:approver:{QUICK.hash('another')}\n", "Rea:reader:-\n", ""):
        settings = desk.client.app.state.desk.door.settings  # type: ignore[attr-defined]
        users = {} if not accounts else _users(accounts)
        changed = Door(settings.model_copy(update={"users": users}))
        person = changed.person(Request({"type": "http", "headers": [(b"cookie", f"{COOKIE}={cookie}".encode())]}))
        assert person is None or not person.proven
    assert desk.client.get("/api/me").json()["proven"]


def _users(accounts: str) -> dict[str, User]:
    fields = [line.split(":") for line in accounts.splitlines()]
    return {name: User(name=name, role=role, password_hash=SecretStr(hashed)) for name, role, hashed in fields}


def test_more_than_a_form_takes_is_refused_whatever_length_is_named(
    desk: Opened,
) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"name="
        for _ in range(70):
            yield bytes(1 << 20)

    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert desk.client.post("/door", content=pieces(), headers=form).status_code == 413
    assert (
        desk.client.post("/door", content=b"name=Ada", headers={**form, "Content-Length": "1" * 12}).status_code == 413
    )


def test_a_form_that_is_not_our_own_does_nothing(desk: Opened) -> None:
    desk.enter("Ada")
    item, token = desk.items()[0], desk.token
    form = {"sha256": item["image_sha256"], "seen": 0, "decision": "reject", "why": "x", "token": token}
    address = f"/decide/{item['id']}"
    assert desk.client.post(address, data={**form, "token": ""}).status_code == 403
    assert desk.client.post(address, data={**form, "token": token[::-1]}).status_code == 403
    assert desk.client.post(address, data=form, headers={"Origin": "https://evil.example"}).status_code == 403
    desk.enter("Bob")
    assert desk.client.post(address, data=form).status_code == 403, "it is Ada's"
    assert len(desk.items()) == 3
    assert desk.client.get(address).status_code == 405


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:3100", ""])
def test_it_answers_by_its_own_names_only(desk: Opened, host: str) -> None:
    assert desk.client.get("/door", headers={"Host": host}).status_code == 421
    assert desk.client.get("/door", headers={"Host": "LOCALHOST:3100"}).status_code == 200


def test_pages_may_load_nothing_from_elsewhere(desk: Opened) -> None:
    desk.enter()
    headers = desk.client.get("/").headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe-inline" not in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"


def test_a_proxy_on_this_machine_may_say_who_somebody_is(
    locked: Callable[[str], Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIG_DESK_PROXY_HEADER", "X-Forwarded-User")
    desk = locked("Ada:approver:-\n")
    assert desk.client.get("/api/me", headers={"X-Forwarded-User": "Ada"}).status_code == 401, "from testclient"
    person = desk.client.app.state.desk.door  # type: ignore[attr-defined]

    def request(peer: str, name: str) -> Request:
        headers = [(b"x-forwarded-user", name.encode())]
        return Request({"type": "http", "headers": headers, "client": (peer, 1), "method": "GET", "path": "/"})

    assert person.person(request("127.0.0.1", "Ada")).role == "approver"
    assert person.person(request("127.0.0.1", "Eve")) is None
    assert person.person(request("10.0.0.7", "Ada")) is None


def test_behind_a_proxy_that_names_its_clients_the_desk_still_knows_the_proxy(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server that `twig desk` starts: whoever is the client is decided by the connection and not by a header."""
    folder = Path(shutil.copytree(filled, tmp_path / "desk"))
    (tmp_path / "accounts").write_text("Ada:approver:-\n", encoding="utf-8")
    for name, value in {
        "TWIG_HOME": tmp_path,
        "TWIG_CATALOG_URL": f"sqlite:///{folder}/catalog.db",
        "TWIG_DESK_USERS": tmp_path / "accounts",
        "TWIG_DESK_PROXY_HEADER": "X-Forwarded-User",
    }.items():
        monkeypatch.setenv(name, str(value))
    started: list[tuple[Any, dict[str, Any]]] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: started.append((app, options)))
    ended = CliRunner().invoke(twig, ["desk", "--root", str(folder / "campaigns")])
    assert ended.exit_code == 0, ended.output
    [(app, options)] = started
    assert options["host"] == "127.0.0.1"
    config = uvicorn.Config(app, **options)
    config.load()
    for peer, status in (("127.0.0.1", 200), ("10.0.0.7", 401)):
        client = TestClient(config.loaded_app, base_url="http://127.0.0.1:3100", client=(peer, 5))  # type: ignore[arg-type]
        headers = {"X-Forwarded-User": "Ada", "X-Forwarded-For": "127.0.0.1" if status == 401 else "203.0.113.9"}
        assert client.get("/api/me", headers=headers).status_code == status
