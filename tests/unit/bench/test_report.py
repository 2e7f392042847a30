"""The report of a benchmark: bars that judge themselves, the JSON's shape, and where it ran."""

import importlib
import inspect
import io
import json
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError
from rich.console import Console

from twig_assets import bench
from twig_assets.bench.report import Bar, BenchReport, commit_of, environment


def report(quick: bool = False) -> BenchReport:
    bars = [
        Bar(name="concept_ratio", value=0.8, goal=0.75, direction=">=", interval=(0.7, 0.85)),
        Bar(name="seconds", value=0.8, goal=0.7, direction="<="),
    ]
    return BenchReport(
        bench="model-zoo", commit="c" * 40, environment=environment(quick), bars=bars, rows=[{"ssim": [0.5]}]
    )


@pytest.mark.parametrize(
    ("value", "direction", "holds"),
    [
        (0.8, ">=", True),
        (0.8, "<=", True),
        (0.79, ">=", False),
        (0.79, "<=", True),
        (0.81, ">=", True),
        (0.81, "<=", False),
    ],
)
def test_a_bar_holds_on_the_right_side_of_its_goal_and_on_it(value: float, direction: str, holds: bool) -> None:
    assert Bar(name="b", value=value, goal=0.8, direction=direction).holds is holds  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_bar_refuses_a_value_that_json_cannot_hold(value: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        Bar(name="b", value=value, goal=1, direction=">=")


def test_whether_a_bar_holds_cannot_be_claimed() -> None:
    with pytest.raises(ValidationError, match="holds"):
        Bar(name="b", value=0, goal=1, direction=">=", holds=True)  # type: ignore[call-arg]


def test_a_share_has_the_interval_of_its_sample_and_none_without_a_sample() -> None:
    share = Bar.of_share("survived", 81, 263, goal=0.3, direction=">=")
    assert share.value == 81 / 263
    assert share.interval == pytest.approx((0.2553, 0.3662), abs=1e-4)
    empty = Bar.of_share("survived", 0, 0, goal=1, direction=">=")
    assert (empty.value, empty.interval, empty.holds) == (0, None, False)


@pytest.mark.parametrize(("name", "module"), bench.MODULES.items())
def test_every_registered_module_exists_and_measures(name: str, module: str) -> None:
    parameters = inspect.signature(importlib.import_module(module).measure).parameters
    assert list(parameters)[:2] == ["quick", "grid"], name
    assert module.startswith("twig_assets.bench."), "import-linter checks no other package against bench's layer"


def test_the_json_has_exactly_the_keys_of_the_design() -> None:
    parsed = json.loads(report().to_json())
    assert list(parsed) == ["bench", "commit", "environment", "bars", "rows"]
    assert parsed["bars"] == [
        {
            "name": "concept_ratio",
            "value": 0.8,
            "goal": 0.75,
            "direction": ">=",
            "interval": [0.7, 0.85],
            "holds": True,
        },
        {"name": "seconds", "value": 0.8, "goal": 0.7, "direction": "<=", "interval": None, "holds": False},
    ]
    assert parsed["rows"] == [{"ssim": [0.5]}]


def test_the_environment_names_versions_processor_and_sample_size() -> None:
    described = environment(quick=True)
    assert described["quick"] is True
    assert described["cores"] >= 1
    assert described["cpu"]
    assert all(described[name][0].isdigit() for name in ("python", "torch", "diffusers", "transformers"))


def test_the_table_shows_which_bars_hold_and_that_the_sample_was_small() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(report(quick=True).to_table())
    shown = console.export_text()
    assert "quick sample" in shown
    assert [line.split()[-2] for line in shown.splitlines() if "concept_ratio" in line or "seconds" in line] == [
        "yes",
        "no",
    ]


def test_the_commit_is_the_one_checked_out_where_the_package_lies(tmp_path: Path) -> None:
    package = tmp_path / "twig_assets"
    package.mkdir()
    assert commit_of(package) == "unknown"
    git(tmp_path, "init", "-q")
    assert commit_of(package) == "unknown"
    (package / "a.py").write_text("")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "first")
    assert commit_of(package) == git(tmp_path, "rev-parse", "HEAD")


def test_a_package_inside_a_foreign_repository_does_not_report_its_commit(tmp_path: Path) -> None:
    installed = tmp_path / ".venv" / "lib" / "twig_assets"
    installed.mkdir(parents=True)
    git(tmp_path, "init", "-q")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "first", "--allow-empty")
    assert commit_of(installed) == "unknown"


def test_an_unknown_benchmark_is_refused_with_the_list_of_those_that_exist() -> None:
    assert "model-zoo" in bench.names()
    with pytest.raises(bench.UnknownBenchmarkError, match="model-zoo"):
        bench.run("model-zo")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_benchmark_without_a_larger_sample_says_so() -> None:
    with pytest.raises(
        bench.UnknownBenchmarkError, match="campaign, detectors, faults, index, real-size have a larger"
    ):
        bench.run("model-zoo", full=True)
