"""The one setting for runs and steps."""

import pytest

from twig_assets.settings.engines import engine_settings
from twig_assets.settings.execution import VARIABLES, ExecutionSettings, execution_settings
from twig_assets.settings.home import SettingError

URL = "postgresql+psycopg2://twig:hidden-word@db/dagster"


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES.values(), "TWIG_ENGINE", "TWIG_WORKERS", "TWIG_RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


def test_nothing_set_is_one_run_at_a_time_in_one_process() -> None:
    settings = execution_settings()
    assert (settings.execution, settings.of_steps, settings.runs_at_once) == ("in_process", "in_process", 1)
    assert settings.pools == {"gpu": None, "cpu": None}


def test_every_field_has_its_variable() -> None:
    assert set(VARIABLES) == set(ExecutionSettings.model_fields)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"TWIG_EXECUTION": "cloud"}, r"TWIG_EXECUTION: .*'in_process', 'multiprocess', 'ray' or 'k8s'"),
        ({"TWIG_RUNS": "0"}, "TWIG_RUNS: .*greater than or equal to 1"),
        ({"TWIG_EXECUTION": "ray"}, "set TWIG_RAY_JOBS to http://HOST:8265"),
        ({"TWIG_EXECUTION": "ray", "TWIG_RAY_JOBS": "http://head:8265"}, "set TWIG_DAGSTER_URL"),
        ({"TWIG_EXECUTION": "k8s", "TWIG_DAGSTER_URL": URL}, "set TWIG_K8S_IMAGE"),
        ({"TWIG_STEPS": "k8s", "TWIG_K8S_IMAGE": "twig", "TWIG_DAGSTER_URL": URL}, "set TWIG_EXECUTION to k8s"),
        ({"TWIG_DAGSTER_URL": "postgresql://twig:hidden-word@db/x"}, r"TWIG_DAGSTER_URL: .*postgresql\+psycopg2://"),
        ({"TWIG_DAGSTER_URL": "hidden-word"}, r"TWIG_DAGSTER_URL: it is not a URL"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_remedy_and_without_its_password(
    variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=message) as raised:
        execution_settings()
    assert "hidden-word" not in str(raised.value)


def test_a_database_is_not_shown() -> None:
    assert "hidden-word" not in repr(ExecutionSettings(dagster_url=URL))


def test_runs_on_ray_compute_their_heavy_parts_there_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIG_EXECUTION", "ray")
    settings = engine_settings()
    assert (settings.engine, settings.address, settings.workers) == ("ray", "auto", None)
    monkeypatch.setenv("TWIG_ENGINE", "processes")
    assert engine_settings().engine == "processes"
