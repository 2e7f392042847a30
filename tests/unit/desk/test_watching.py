"""What machines are told without a session, and what they are not."""

from collections.abc import Callable

import pytest

from tests.unit.desk.conftest import Opened


def test_a_desk_that_can_work_says_so_to_anybody(desk: Opened) -> None:
    answer = desk.client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "catalog": "ok"})


def test_metrics_count_what_the_queue_shows(desk: Opened) -> None:
    lines = desk.client.get("/metrics").text.splitlines()
    waiting = next(line for line in lines if line.startswith('twig_prompts{campaign="demo",state="waiting"}'))
    desk.enter()
    assert float(waiting.split()[-1]) == sum(item["state"] == "review" for item in desk.items())
    assert any(line.startswith('twig_audits{campaign="demo",verdict="fail"}') for line in lines)


def test_metrics_need_their_token_where_people_have_accounts(
    locked: Callable[[str], Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    account = "Ada:reader:$argon2-of-somebody"
    assert locked(account).client.get("/metrics").status_code == 403
    monkeypatch.setenv("TWIG_METRICS_TOKEN", "open sesame")
    client = locked(account).client
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer closed"}).status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer open sesame"}).status_code == 200
    assert client.get("/healthz").status_code == 200
