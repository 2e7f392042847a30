"""The API holds what its own description promises, whatever is sent."""

from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode, checks

from tests.unit.desk.conftest import Opened

PROMISES = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_makes_the_api_break_its_own_description(desk: Opened, mode: GenerationMode) -> None:
    desk.enter("Ada")
    headers = {"Cookie": f"twig-desk={desk.client.cookies['twig-desk']}", "Host": "127.0.0.1:3100"}
    token, statuses = desk.token, Counter[int]()
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", desk.client.app, headers=headers)
    quick = settings(
        max_examples=8, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    for found in schema.get_all_operations():
        operation = found.ok()
        if mode == GenerationMode.NEGATIVE and operation.path == "/api/me":
            continue  # it takes nothing that could be wrong

        @quick
        @given(case=operation.as_strategy(generation_mode=mode))
        def holds(case: schemathesis.Case) -> None:
            # A campaign and a token that nobody made up are there half the time; else nothing else would be tried.
            if sum(statuses.values()) % 2:
                case.path_parameters = {**(case.path_parameters or {}), "campaign": "demo"}
                case.headers = {**(case.headers or {}), "X-Twig-Token": token}
            answer = case.call(headers=headers)
            statuses[answer.status_code] += 1
            case.validate_response(answer, checks=PROMISES)

        holds()
    assert {200, 404} <= set(statuses) if mode == GenerationMode.POSITIVE else 422 in statuses
