"""The graph as Dagster sees it, against the graph that was designed."""

import dagster as dg
import pytest

from twig_assets.definitions import build_defs, defs
from twig_assets.settings.home import SettingError

GRAPH = {
    "prompts": set(),
    "protected_concepts": set(),
    "reference_corpus": set(),
    "ablated_models": {"protected_concepts"},
    "composed_model": {"ablated_models"},
    "generated_images": {"prompts", "composed_model"},
    "masks": {"generated_images"},
    "regenerated_images": {"masks"},
    "similarity_audits": {"regenerated_images", "reference_corpus"},
    "released_images": {"similarity_audits"},
    "compliance_report": {"released_images", "reference_corpus"},
}
PARTITIONS = {
    **dict.fromkeys(["protected_concepts", "reference_corpus", "composed_model", "compliance_report"], "campaigns"),
    "ablated_models": "concepts",
    **dict.fromkeys(
        ["prompts", "generated_images", "masks", "regenerated_images", "similarity_audits", "released_images"],
        "prompt_batches",
    ),
}
SPECS = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_the_graph_is_the_designed_one() -> None:
    edges = {name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in SPECS.items()}
    assert edges == GRAPH


def test_partitions_are_the_designed_ones() -> None:
    found = {name: spec.partitions_def for name, spec in SPECS.items() if spec.partitions_def}
    assert {name: partitions.name for name, partitions in found.items()} == PARTITIONS
    assert all(isinstance(partitions, dg.DynamicPartitionsDefinition) for partitions in found.values())


@pytest.mark.parametrize("name", GRAPH)
def test_every_asset_says_what_it_is_whose_it_is_and_what_it_is_made_with(name: str) -> None:
    spec = SPECS[name]
    assert spec.group_name in {"inputs", "model", "images", "audit", "release"}
    assert len((spec.description or "").split()) >= 10
    assert spec.owners
    assert all(owner.startswith("team:") for owner in spec.owners)
    assert spec.kinds


def test_the_gate_is_blocking_and_judges_each_batch_by_itself() -> None:
    gate = defs.resolve_asset_graph().get(dg.AssetCheckKey(dg.AssetKey("similarity_audits"), "ssim_below_threshold"))
    assert gate.blocking
    assert gate.partitions_def == SPECS["similarity_audits"].partitions_def


def test_a_refused_edit_is_said_and_stops_nothing() -> None:
    check = defs.resolve_asset_graph().get(dg.AssetCheckKey(dg.AssetKey("ablated_models"), "edit_accepted"))
    assert not check.blocking
    assert check.partitions_def == SPECS["ablated_models"].partitions_def


def test_only_released_images_are_made_without_being_asked_and_only_behind_the_gate() -> None:
    automatic = {name: spec.automation_condition for name, spec in SPECS.items() if spec.automation_condition}
    assert set(automatic) == {"released_images"}
    assert "all_deps_blocking_checks_passed" in str(automatic["released_images"])


def test_the_definitions_load_and_every_resource_is_bound() -> None:
    dg.Definitions.validate_loadable(defs)


def test_one_resource_can_be_replaced_without_touching_the_others() -> None:
    from twig_assets.resources import StoreResource

    other = build_defs(resources={"store": StoreResource(root="elsewhere")})
    dg.Definitions.validate_loadable(other)
    with dg.build_resources({"store": other.resources["store"]}) as opened:
        assert opened.store.root == "elsewhere"
    assert other.resources.keys() == defs.resources.keys()


def test_assets_checks_sensors_and_executor_can_be_replaced_and_added() -> None:
    @dg.asset(description="other")
    def prompts() -> None:
        """Takes the place of the asset with this name."""

    @dg.asset
    def added() -> None:
        """Is not in the location yet."""

    @dg.asset_check(
        asset="compliance_report", description="other", partitions_def=SPECS["compliance_report"].partitions_def
    )
    def nothing_quarantined_or_stuck() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    @dg.sensor(name="prompt_inbox", minimum_interval_seconds=7777)
    def other_inbox() -> None:
        """Takes the place of the sensor with this name."""

    other = build_defs(
        assets=[prompts, added],
        checks=[nothing_quarantined_or_stuck],
        sensors=[other_inbox],
        executor=dg.multiprocess_executor,
    )
    dg.Definitions.validate_loadable(other)
    specs = {spec.key.to_user_string(): spec for spec in other.resolve_all_asset_specs()}
    assert specs.keys() == {*GRAPH, "added"}
    assert (specs["prompts"].description, specs["masks"].description) == ("other", SPECS["masks"].description)
    graph, plain = other.resolve_asset_graph(), defs.resolve_asset_graph()
    assert graph.asset_check_keys == plain.asset_check_keys
    changed = {key.name for key in graph.asset_check_keys if graph.get(key).description != plain.get(key).description}
    assert changed == {"nothing_quarantined_or_stuck"}
    before, after = (
        {sensor.name: sensor.minimum_interval_seconds for sensor in d.get_repository_def().sensor_defs}
        for d in (defs, other)
    )
    assert after == {**before, "prompt_inbox": 7777}
    assert other.executor is not None
    assert other.executor.name == dg.multiprocess_executor.name


def test_a_port_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWIG_MLFLOW_PORT", "five thousand")
    with pytest.raises(SettingError, match="TWIG_MLFLOW_PORT: 'five thousand' is not a port; give a number"):
        build_defs()
