"""`twig ui`: both servers answer, show the run that was made before, and leave nothing behind."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Ended, Place
from tests.integration.test_definitions import GRAPH

STARTS_WITHIN = 240
ASSETS = "{ assetNodes { assetKey { path } dependencyKeys { path } assetMaterializations(limit: 1) { runId } } }"
RUNS = "{ runsOrError { ... on Runs { results { status assets { key { path } } } } } }"
CHECKS = """{ assetCheckExecutions(assetKey: {path: ["similarity_audits"]}, checkName: "ssim_below_threshold", limit: 1)
  { status partition } }"""


@dataclass(frozen=True)
class Servers:
    """A running `twig ui`."""

    process: subprocess.Popen[str]
    lines: list[str]
    dagster: str
    mlflow: str

    def ask(self, query: str) -> dict[str, Any]:
        """Dagster's answer to a GraphQL query."""
        answer = _post(f"{self.dagster}/graphql", {"query": query})
        assert "errors" not in answer, answer
        return answer["data"]


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _marked(mark: str) -> list[str]:
    """The command lines of the processes whose environment holds `mark`, dead ones left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def shown(first_run: tuple[Place, Ended], tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A copy of the place where the campaign was run: Dagster's daemon writes into it."""
    home = tmp_path_factory.mktemp("ui") / "home"
    shutil.copytree(first_run[0].home, home)
    return Place(first_run[0].root, home)


@pytest.fixture(scope="module")
def servers(shown: Place) -> Iterator[Servers]:
    ports = {"TWIG_UI_PORT": str(_free_port()), "TWIG_MLFLOW_PORT": str(_free_port())}
    process = shown.process(
        "ui", "--campaign", "tiny", "--root", str(shown.root),
        environment={**ports, "TWIG_TEST": str(shown.home), "TWIG_SENSOR_SECONDS": "3600"},
    )  # fmt: skip
    lines: list[str] = []
    threading.Thread(target=lambda: lines.extend(process.stdout or []), daemon=True).start()
    try:
        deadline = time.monotonic() + STARTS_WITHIN
        while not any("Ctrl-C ends both." in line for line in lines):
            assert process.poll() is None, "".join(lines)
            assert time.monotonic() < deadline, "".join(lines)
            time.sleep(0.2)
        urls = [f"http://127.0.0.1:{port}" for port in ports.values()]
        yield Servers(process, lines, *urls)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def test_dagster_shows_the_lineage_and_what_was_made(servers: Servers) -> None:
    nodes = {node["assetKey"]["path"][0]: node for node in servers.ask(ASSETS)["assetNodes"]}
    assert {name: {d["path"][0] for d in node["dependencyKeys"]} for name, node in nodes.items()} == GRAPH
    assert all(node["assetMaterializations"] for node in nodes.values())


def test_dagster_shows_the_runs_and_the_gates_verdict(servers: Servers) -> None:
    runs = servers.ask(RUNS)["runsOrError"]["results"]
    assert {run["status"] for run in runs} == {"SUCCESS"}
    assert {asset["key"]["path"][0] for run in runs for asset in run["assets"]} == set(GRAPH)
    [check] = servers.ask(CHECKS)["assetCheckExecutions"]
    assert check == {"status": "SUCCEEDED", "partition": "tiny-000"}


def test_mlflow_answers_and_has_the_figures_of_the_run(servers: Servers) -> None:
    with urllib.request.urlopen(f"{servers.mlflow}/health", timeout=60) as answer:
        assert answer.status == 200
    api = f"{servers.mlflow}/api/2.0/mlflow"
    experiments = {
        e["name"]: e["experiment_id"] for e in _post(f"{api}/experiments/search", {"max_results": 100})["experiments"]
    }
    assert {"twig-assets/tiny/ablation", "twig-assets/tiny/images", "twig-assets/tiny/audits"} <= set(experiments)
    images = experiments["twig-assets/tiny/images"]
    runs = _post(f"{api}/runs/search", {"experiment_ids": [images]})["runs"]
    tags = {tag["value"] for run in runs for tag in run["data"]["tags"] if tag["key"] == "dagster/asset"}
    assert tags == {"generated_images", "masks", "regenerated_images"}


def test_a_second_ui_says_which_port_is_taken(servers: Servers, shown: Place) -> None:
    port = servers.dagster.rsplit(":", 1)[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWIG_UI_PORT", port)
        ended = shown.twig("ui", "--campaign", "tiny", "--root", str(shown.root))
    assert ended.code == 2, ended.text
    assert f"port {port} on 127.0.0.1 is in use" in ended.text


def test_the_addresses_are_printed(servers: Servers) -> None:
    printed = re.findall(r"^(\w+): (http\S+)$", "".join(servers.lines), re.MULTILINE)
    assert printed == [("MLflow", servers.mlflow), ("Dagster", servers.dagster)]


def test_ctrl_c_ends_both_and_leaves_no_process_behind(servers: Servers, shown: Place) -> None:
    mark = f"TWIG_TEST={shown.home}"
    assert len(_marked(mark)) >= 4, "twig, mlflow, dagster and its web server"
    os.kill(servers.process.pid, signal.SIGINT)
    assert servers.process.wait(60) == 0
    assert _marked(mark) == []
    for url in (servers.dagster, servers.mlflow):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(url.rsplit(":", 1)[1]))) != 0
