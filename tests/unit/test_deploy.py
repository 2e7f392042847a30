"""The files of `deploy/` against what they name: commands, images, ports, settings, and one another."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from kubernetes import client as kubernetes

from twig_assets.cli import app
from twig_assets.run_launcher.instance import CAMPAIGNS, STATE, instance_settings
from twig_assets.settings.execution import VARIABLES, ExecutionSettings, execution_settings
from twig_assets.settings.home import desk_port, mlflow_port, ui_port

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
DOCUMENTS = [
    document
    for file in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(file.read_text())
]
VALUES = yaml.safe_load((DEPLOY / "helm" / "values.yaml").read_text())
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
# What other programs read: botocore, MLflow, the libraries that the image quiets.
OF_OTHERS = {"AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [document for document in DOCUMENTS if document["kind"] == kind]


def example() -> dict[str, str]:
    lines = (DEPLOY / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def on_kubernetes() -> dict[str, str]:
    [settings], [secrets] = (
        [d for d in of_kind("ConfigMap") if d["metadata"]["name"] == "twig-settings"],
        of_kind("Secret"),
    )
    return {**settings["data"], **secrets["stringData"]}


def known_variables() -> set[str]:
    """Every variable that some line of our code reads."""
    files = [*(ROOT / "twig_assets").rglob("*.py"), *(ROOT / "resources").rglob("*.py")]
    found = {name for file in files for name in re.findall(r'"((?:TWIG|MLFLOW)_[A-Z0-9_]+)"', file.read_text())}
    return found | OF_OTHERS


def command_exists(words: list[str]) -> bool:
    groups = vars(typer.main.get_command(app))["commands"]
    command = groups.get(words[1]) if words[0] == "twig" and len(words) > 1 else None
    inner = getattr(command, "commands", None)
    return words[2] in inner if inner is not None else command is not None


@pytest.mark.parametrize("variables", [example(), on_kubernetes()], ids=["settings.env", "kubernetes"])
def test_the_settings_are_ones_that_the_code_reads_and_takes(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(variables) <= known_variables()
    for name in VARIABLES.values():
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert execution_settings().dagster_url is not None


def test_both_examples_set_the_same_but_for_what_kubernetes_needs() -> None:
    only_there = {"TWIG_RUNS", *(name for name in VARIABLES.values() if name.startswith("TWIG_K8S_"))}
    assert set(on_kubernetes()) - only_there == set(example()) - {"TWIG_KEYS"}


def test_what_is_secret_is_in_the_secret() -> None:
    [settings] = [d for d in of_kind("ConfigMap") if d["metadata"]["name"] == "twig-settings"]
    assert not [name for name, value in settings["data"].items() if "PASSWORD" in value or "SECRET" in value]


def test_the_instance_of_the_runs_is_what_the_settings_make(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in on_kubernetes().items():
        monkeypatch.setenv(name, value)
    plain = yaml.safe_load((ROOT / "dagster.yaml").read_text().replace(".twig/", f"{STATE}/"))
    [instance] = [d for d in of_kind("ConfigMap") if d["metadata"]["name"] == "twig-instance"]
    assert yaml.safe_load(instance["data"]["dagster.yaml"]) == instance_settings(plain, execution_settings())


def test_names_that_kubernetes_objects_have_are_those_that_the_settings_ask_for() -> None:
    settings = ExecutionSettings()
    names = {kind: {d["metadata"]["name"] for d in of_kind(kind)} for kind in {d["kind"] for d in DOCUMENTS}}
    assert names["ConfigMap"] == {settings.k8s_settings, settings.k8s_instance}
    assert names["Secret"] == {settings.k8s_secrets}
    assert names["PersistentVolumeClaim"] == {settings.k8s_state}
    assert names["ServiceAccount"] == {settings.k8s_service_account}
    [deployment] = of_kind("Deployment")
    pod = deployment["spec"]["template"]["spec"]
    images = {container["image"] for container in (*pod["containers"], *pod["initContainers"])}
    assert images == {on_kubernetes()["TWIG_K8S_IMAGE"]}
    [container] = pod["containers"]
    mounts = {mount["mountPath"]: mount["subPath"] for mount in container["volumeMounts"]}
    assert mounts == {STATE: "state", CAMPAIGNS: "campaigns"}


def test_on_dagsters_chart_runs_are_launched_and_limited_as_without(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**on_kubernetes(), "TWIG_K8S_INSTANCE": "dagster-instance"}.items():
        monkeypatch.setenv(name, value)
    expected = instance_settings({}, execution_settings())
    launcher = VALUES["runLauncher"]["config"]["customRunLauncher"]
    secret = {"postgres_password_secret": VALUES["global"]["postgresqlSecretName"]}
    assert launcher == {**expected["run_launcher"], "config": {**expected["run_launcher"]["config"], **secret}}
    limits = {re.sub("_(.)", lambda found: found[1].upper(), key): value for key, value in runs_of(expected).items()}
    assert VALUES["concurrency"]["runs"] == limits
    assert VALUES["concurrency"]["pools"] == expected["concurrency"]["pools"]
    daemon, plain = VALUES["dagsterDaemon"], yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert daemon["runMonitoring"]["pollIntervalSeconds"] == plain["run_monitoring"]["poll_interval_seconds"]
    assert daemon["runRetries"]["retryOnAssetOrOpFailure"] == plain["run_retries"]["retry_on_asset_or_op_failure"]


def runs_of(instance: dict[str, Any]) -> dict[str, Any]:
    runs: dict[str, Any] = instance["concurrency"]["runs"]
    return runs


def test_on_dagsters_chart_all_pods_have_the_image_the_settings_and_the_folders() -> None:
    [code] = VALUES["dagster-user-deployments"]["deployments"]
    [desk] = [d["spec"]["template"]["spec"] for d in VALUES["extraManifests"] if d["kind"] == "Deployment"]
    [without] = of_kind("Deployment")
    expected = without["spec"]["template"]["spec"]
    image = expected["containers"][0]["image"]
    assert {container["image"] for container in (*desk["containers"], *desk["initContainers"])} == {image}
    for pod in (code, VALUES["dagsterDaemon"], VALUES["dagsterWebserver"]):
        assert f"{pod['image']['repository']}:{pod['image']['tag']}" == image
        names = {"configMapRef": pod["envConfigMaps"], "secretRef": pod["envSecrets"]}
        assert [{kind: each} for kind, named in names.items() for each in named] == desk["containers"][0]["envFrom"]
        assert pod["podSecurityContext"] == expected["securityContext"]
        assert pod["volumes"] == expected["volumes"]
        assert pod["volumeMounts"] == expected["containers"][0]["volumeMounts"]
    assert [c["command"] for c in desk["containers"] if not command_exists(c["command"])] == []


@pytest.mark.parametrize(
    "document", [*DOCUMENTS, *VALUES["extraManifests"]], ids=lambda d: f"{d['kind']} {d['metadata']['name']}"
)
def test_kubernetes_objects_have_no_field_that_kubernetes_does_not_know(document: dict[str, Any]) -> None:
    assert list(unknown_fields(document, f"V1{document['kind']}")) == []


def unknown_fields(value: Any, kind: str, at: str = "") -> Iterator[str]:
    """Paths of fields that Kubernetes' own client has no place for."""
    if inner := re.fullmatch(r"list\[(.+)\]", kind):
        for i, entry in enumerate(value):
            yield from unknown_fields(entry, inner[1], f"{at}[{i}]")
    elif hasattr(kubernetes, kind):
        model = getattr(kubernetes, kind)
        fields = {name: model.openapi_types[attribute] for attribute, name in model.attribute_map.items()}
        for name, entry in value.items():
            if name not in fields:
                yield f"{at}.{name}"
            else:
                yield from unknown_fields(entry, fields[name], f"{at}.{name}")


def test_commands_exist_and_probes_ask_at_the_ports_of_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    [deployment] = of_kind("Deployment")
    pod = deployment["spec"]["template"]["spec"]
    containers = [*pod["containers"], *pod["initContainers"]]
    [of_image] = re.findall(r"^CMD \[(.+)\]$", DOCKERFILE, re.MULTILINE)
    commands = [container["command"] for container in containers]
    commands += [COMPOSE["services"]["twig"]["command"], shlex.split(of_image.replace(",", " "))]
    assert [command for command in commands if not command_exists(command)] == []
    for name in ("TWIG_UI_PORT", "TWIG_MLFLOW_PORT", "TWIG_DESK_PORT"):
        monkeypatch.delenv(name, raising=False)
    probes = [pod["containers"][0][name]["exec"]["command"][-1] for name in ("startupProbe", "livenessProbe")]
    for probe in probes:
        assert set(map(int, re.findall(r"'(\d+)/", probe))) == {ui_port(), mlflow_port(), desk_port()}


def test_the_image_is_made_of_what_there_is() -> None:
    copied = [word for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]]
    assert [path for path in copied if not (ROOT / path).exists()] == []
    [extras] = re.findall(r"\.\[([a-z0-9,]+)\]", DOCKERFILE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    set_here = set(re.findall(r"\b(TWIG_[A-Z_]+)=", DOCKERFILE))
    assert set_here <= known_variables()
    assert f"TWIG_HOME={STATE}" in DOCKERFILE
    assert f"TWIG_CAMPAIGNS={CAMPAIGNS}" in DOCKERFILE


def test_the_compose_file_holds_together() -> None:
    services = COMPOSE["services"]
    twig = services["twig"]
    assert (DEPLOY / twig["build"]["context"] / twig["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    assert set(twig["depends_on"]) <= set(services)
    assert twig["env_file"] == ["settings.local.env"]
    assert "deploy/settings.local.env" in (ROOT / ".gitignore").read_text().splitlines()
    for service in services.values():
        for volume in service["volumes"]:
            source, target = volume.split(":")[:2]
            assert source in COMPOSE["volumes"] or (DEPLOY / source).exists()
            assert target.startswith("/")
    assert all(port.startswith("127.0.0.1:") for port in services["db"]["ports"])
    targets = {volume.split(":")[1] for volume in twig["volumes"]}
    assert targets == {STATE, CAMPAIGNS}


def test_the_databases_that_are_made_are_those_that_the_settings_name() -> None:
    names = ("TWIG_CATALOG_URL", "TWIG_DAGSTER_URL", "MLFLOW_TRACKING_URI")
    named = {example()[name].rsplit("/", 1)[1] for name in names}
    made = set(re.findall(r"CREATE DATABASE (\w+) OWNER twig", (DEPLOY / "databases.sql").read_text()))
    assert named == made | {COMPOSE["services"]["db"]["environment"]["POSTGRES_DB"]}
