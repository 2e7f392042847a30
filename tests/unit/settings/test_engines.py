from pathlib import Path

import pytest
from pydantic import ValidationError

from twig_assets.settings.engines import EngineSettings, allowed_cores, engine_settings
from twig_assets.settings.home import SettingError


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TWIG_ENGINE", "TWIG_WORKERS", "TWIG_RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


def test_a_location_computes_in_its_own_process_by_default() -> None:
    assert engine_settings() == EngineSettings(engine="processes", workers=1)


def test_the_environment_names_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIG_WORKERS", "4")
    assert engine_settings() == EngineSettings(workers=4)
    monkeypatch.setenv("TWIG_ENGINE", "ray")
    monkeypatch.setenv("TWIG_RAY_ADDRESS", "head:6379")
    assert engine_settings() == EngineSettings(engine="ray", workers=4, address="head:6379")
    monkeypatch.delenv("TWIG_WORKERS")
    assert engine_settings().workers is None


@pytest.mark.parametrize(
    ("name", "value"), [("TWIG_ENGINE", "slurm"), ("TWIG_WORKERS", "0"), ("TWIG_RAY_ADDRESS", "head:6379")]
)
def test_what_cannot_be_used_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=value):
        engine_settings()


def test_an_address_is_of_ray() -> None:
    with pytest.raises(ValidationError, match="choose ray"):
        EngineSettings(address="head:6379")


@pytest.mark.parametrize(
    ("text", "cores"), [("max 100000", None), ("250000 100000", 2), ("50000 100000", 1), ("", None)]
)
def test_the_limit_of_a_control_group(text: str, cores: int | None, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert allowed_cores(tmp_path / "cpu.max") == cores


def test_no_limit_without_control_groups(tmp_path: Path) -> None:
    assert allowed_cores(tmp_path / "cpu.max") is None
