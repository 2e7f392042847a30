"""Who gets in, and what a request from elsewhere cannot do."""

from collections.abc import Callable

import argon2
import pytest

from tests.unit.desk.conftest import Opened

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


def test_wrong_passwords_make_the_next_tries_wait(locked: Callable[[str], Opened]) -> None:
    desk = locked(ACCOUNTS)

    def tried(name: str, password: str) -> int:
        form = {"name": name, "password": password}
        return desk.client.post("/door", data=form, follow_redirects=False).status_code

    assert [tried("App", "wrong") for _ in range(6)] == [403] * 5 + [429]
    assert tried("App", "open App") == 429, "also with the right one, or guessing would go on"


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
    from starlette.requests import Request

    def request(peer: str, name: str) -> Request:
        headers = [(b"x-forwarded-user", name.encode())]
        return Request({"type": "http", "headers": headers, "client": (peer, 1), "method": "GET", "path": "/"})

    assert person.person(request("127.0.0.1", "Ada")).role == "approver"
    assert person.person(request("127.0.0.1", "Eve")) is None
    assert person.person(request("10.0.0.7", "Ada")) is None
