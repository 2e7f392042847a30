"""`twig ui`: both servers answer, show the run that was made before, and leave nothing behind."""

import os
import re
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import numpy as np
import psutil
import pytest
from mlflow import MlflowClient
from playwright.sync_api import Page

from tests.integration.browsing import browser_page, keep_screenshot, pictures
from tests.integration.conftest import ALL_FAIL, PROMPTS, CampaignWorkspace, Ended, Workspaces
from tests.integration.serving import Servers, marked, post, served
from tests.integration.test_definitions import GRAPH
from twig_assets.bench.hardening.evil import evil_server
from twig_assets.definitions import build_defs
from twig_assets.tracking import Record, Sender, Spool, TrackingError
from twig_assets.tracking.record import png

ASSETS = "{ assetNodes { assetKey { path } dependencyKeys { path } assetMaterializations(limit: 1) { runId } } }"
RUNS = "{ runsOrError { ... on Runs { results { status assets { key { path } } } } } }"
CHECKS = """{ assetCheckExecutions(assetKey: {path: ["similarity_audits"]}, checkName: "ssim_below_threshold", limit: 1)
  { status partition } }"""


@pytest.fixture(scope="module")
def shown(
    first_run: tuple[CampaignWorkspace, Ended], tmp_path_factory: pytest.TempPathFactory, workspaces: Workspaces
) -> CampaignWorkspace:
    """A copy of the workspace where the campaign was run: Dagster's daemon writes into it."""
    return workspaces.copy(first_run[0], tmp_path_factory.mktemp("ui"))


@pytest.fixture(scope="module")
def servers(shown: CampaignWorkspace) -> Iterator[Servers]:
    with served(shown, TWIG_SENSOR_SECONDS="3600") as found:
        yield found


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
        e["name"]: e["experiment_id"] for e in post(f"{api}/experiments/search", {"max_results": 100})["experiments"]
    }
    assert {"twig-assets/tiny/ablation", "twig-assets/tiny/images", "twig-assets/tiny/audits"} <= set(experiments)
    images = experiments["twig-assets/tiny/images"]
    runs = post(f"{api}/runs/search", {"experiment_ids": [images]})["runs"]
    tags = {tag["value"] for run in runs for tag in run["data"]["tags"] if tag["key"] == "dagster/asset"}
    assert tags == {"generated_images", "masks", "regenerated_images"}


def test_an_mlflow_server_that_hangs_holds_nothing_up_and_gets_its_figures_when_it_is_back(
    servers: Servers, shown: CampaignWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    sender = Sender(servers.mlflow, "", servers.mlflow, Spool(tmp_path / "waiting"))
    sheet = np.zeros((8, 8, 3), np.uint8)
    record = Record(
        experiment="twig-assets/tiny/hung", name="masks", metrics={"ok": 3.0}, pictures={"s.png": png(sheet)}
    )
    group = os.getpgid(next(pid for pid, line in marked(str(shown.home)).items() if "mlflow_server" in line))
    os.killpg(group, signal.SIGSTOP)
    try:
        assert sender.send_or_keep(record) == ""
        with pytest.raises(TrackingError, match="does not answer"):
            sender.send_waiting()
    finally:
        os.killpg(group, signal.SIGCONT)
    # It may be busy with what it was asked while it hung.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    assert sender.send_waiting() == (1, [])
    client = MlflowClient(servers.mlflow)
    experiment = client.get_experiment_by_name("twig-assets/tiny/hung")
    assert experiment
    [run] = client.search_runs([experiment.experiment_id])
    assert (run.data.metrics, run.info.status) == ({"ok": 3.0}, "FINISHED")
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["s.png"]


def test_a_second_ui_says_which_port_is_taken(servers: Servers, shown: CampaignWorkspace) -> None:
    port = servers.dagster.rsplit(":", 1)[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWIG_UI_PORT", port)
        ended = shown.twig("ui", "--campaign", "tiny", "--root", str(shown.root))
    assert ended.code == 2, ended.text
    assert f"port {port} on 127.0.0.1 is in use" in ended.text


def test_the_addresses_are_printed(servers: Servers) -> None:
    printed = re.findall(r"^(\w+): (http\S+)$", "".join(servers.lines), re.MULTILINE)
    assert [name for name, _ in printed] == ["MLflow", "Desk", "Dagster"]
    assert (dict(printed)["MLflow"], dict(printed)["Dagster"]) == (servers.mlflow, servers.dagster)
    with urllib.request.urlopen(f"{dict(printed)['Desk']}/door", timeout=60) as answer:
        assert "Who are you?" in answer.read().decode()


@pytest.fixture(scope="module")
def page(servers: Servers, shown: CampaignWorkspace) -> Iterator[Page]:
    """A browser, after a threshold was lowered that no image stays below."""
    with browser_page() as opened:
        shown.write("policy.yaml", ALL_FAIL)
        with shown.instance() as instance, pytest.MonkeyPatch.context() as patch:
            patch.setenv("TWIG_CAMPAIGN", "tiny")
            patch.setenv("TWIG_CAMPAIGNS", str(shown.root))
            whole = build_defs().resolve_implicit_global_asset_job_def()
            job = whole.get_subset(asset_selection={dg.AssetKey("similarity_audits")})
            assert not job.execute_in_process(instance=instance, partition_key="tiny-000", raise_on_error=False).success
        yield opened


def test_browser_shows_the_graph_in_its_groups_with_descriptions(page: Page, servers: Servers) -> None:
    page.goto(f"{servers.dagster}/asset-groups")
    for group in ("inputs", "model", "images", "audit", "release"):
        page.get_by_text(group, exact=True).first.wait_for()
    page.goto(f"{servers.dagster}/locations/twig_assets.definitions/asset-groups/images")
    for asset in ("generated_images", "masks", "regenerated_images", "similarity_audits"):
        page.get_by_text(asset, exact=True).first.wait_for()
    page.get_by_text("100% filled").nth(2).wait_for()
    keep_screenshot(page, "ui-lineage.png")
    page.goto(f"{servers.dagster}/assets/generated_images?view=overview")
    page.get_by_text("TWIG's first step: an image per prompt, from the composed model.").first.wait_for()


def test_browser_renders_a_batchs_thumbnails_and_names_its_mlflow_run(page: Page, servers: Servers) -> None:
    page.goto(f"{servers.dagster}/assets/regenerated_images?view=events")
    page.get_by_text("[Show Markdown]").first.click()
    page.get_by_text(PROMPTS[0]).first.wait_for()
    widths = pictures(page)
    assert len(widths) == 3 * len(PROMPTS), "first image, mask and second image of every prompt"
    assert all(16 <= width <= 128 for width in widths)
    keep_screenshot(page, "ui-thumbnails.png")
    page.get_by_role("button", name="Close").click()
    # A link would name the port of the day.
    assert page.locator("a[href*='/experiments/']").count() == 0
    named = page.get_by_text(re.compile("^run [0-9a-f]{32} of the experiment")).first.inner_text()
    _, run, *_, experiment = named.split(",")[0].split()
    found = MlflowClient(servers.mlflow).get_experiment_by_name(experiment)
    assert found
    page.goto(f"{servers.mlflow}/#/experiments/{found.experiment_id}/runs/{run}")
    page.get_by_text("regenerated_images tiny-000").first.wait_for()
    page.get_by_text("location_iou").first.wait_for()
    page.get_by_text("Under each number: the first image, its mask, the second image").first.wait_for()
    page.wait_for_function("[...document.images].some((i) => i.src.includes('get-artifact') && i.naturalWidth > 300)")


def test_browser_shows_a_failed_check_and_what_failed(page: Page, servers: Servers) -> None:
    page.goto(f"{servers.dagster}/assets/similarity_audits?view=checks&checkDetail=ssim_below_threshold")
    page.get_by_text("Execution history").click()
    page.get_by_text("Failed", exact=True).first.wait_for()
    page.get_by_text(re.compile(r"3 prompts: 3 failing, 0 quarantined")).first.wait_for()
    page.get_by_text(re.compile(rf"failing: {PROMPTS[0]} \(attempt 0, SSIM 0\.\d+")).first.wait_for()
    keep_screenshot(page, "ui-failed-check.png")


def test_browser_shows_the_report_by_itself(page: Page, shown: CampaignWorkspace) -> None:
    page.goto((shown.home / "reports" / "tiny" / "report.html").as_uri())
    page.get_by_text(PROMPTS[0]).first.wait_for()
    widths = pictures(page)
    assert len(widths) >= len(PROMPTS)
    assert all(widths)
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, "nothing sticks out at the side"


def test_a_page_of_another_port_cannot_wipe_a_history_or_forge_a_check(page: Page, servers: Servers) -> None:
    wipe = 'mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["released_images"]}}]) { __typename } }'
    forge = "report_asset_check/released_images?check_name=forged&passed=true"
    with evil_server() as evil:
        addresses = [f"{servers.dagster}/graphql?query={quote(wipe)}", f"{servers.dagster}/{forge}"]
        script = "".join(f"fetch(`{address}`, {{method: 'POST', mode: 'no-cors'}});" for address in addresses)
        with page.expect_response(lambda answer: forge in answer.url) as forged:
            picture = f"<img src='{addresses[0]}'>"
            page.goto(f"http://localhost:{evil.port}" + evil.page(f"{picture}<script>{script}</script>"))
        assert forged.value.status == 403
        page.wait_for_load_state("networkidle")
    nodes = {node["assetKey"]["path"][0]: node for node in servers.ask(ASSETS)["assetNodes"]}
    assert nodes["released_images"]["assetMaterializations"]
    forged_checks = """{ assetCheckExecutions(assetKey: {path: ["released_images"]}, checkName: "forged", limit: 1)
      { status } }"""
    assert servers.ask(forged_checks)["assetCheckExecutions"] == []


def test_only_the_guarded_servers_have_a_port(servers: Servers, shown: CampaignWorkspace) -> None:
    processes = [psutil.Process(number) for number in marked(f"TWIG_TEST={shown.home}")]
    listening = {c.laddr for p in processes for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    assert len(listening) == 3
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {int(url.rpartition(":")[2]) for url in (servers.dagster, servers.mlflow)} < {a.port for a in listening}


def test_ctrl_c_ends_both_and_leaves_no_process_behind(servers: Servers, shown: CampaignWorkspace) -> None:
    mark = f"TWIG_TEST={shown.home}"
    assert len(marked(mark)) >= 4, "twig, mlflow, dagster and its web server"
    os.kill(servers.process.pid, signal.SIGINT)
    assert servers.process.wait(60) == 0
    assert marked(mark) == {}
    for url in (servers.dagster, servers.mlflow):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(url.rsplit(":", 1)[1]))) != 0
