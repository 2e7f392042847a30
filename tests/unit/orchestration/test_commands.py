"""The processes that `twig ui` starts."""

from pathlib import Path

import pytest

from twig_assets.orchestration.servers import commands, has_own_mlflow


def test_command_lines_hold_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:hunter2secret@db/mlflow")
    monkeypatch.setenv("TWIG_CATALOG_URL", "postgresql://me:hunter2secret@db/twig")
    monkeypatch.setenv("TWIG_UI_TOKEN", "hunter2secret-of-many-characters")
    started = commands(Path("campaigns"))
    assert list(started) == ["Desk", "MLflow", "Dagster"]
    assert "hunter2secret" not in str(started)


def test_a_server_that_runs_elsewhere_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:hunter2secret@mlflow.example")
    assert has_own_mlflow()
    assert "MLflow" not in commands(Path("campaigns"))
