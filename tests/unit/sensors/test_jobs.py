"""The names that sensors and the runner go by are those of the location."""

import dagster as dg

from twig_assets.assets.shared.partitions import concepts, prompt_batches
from twig_assets.definitions import defs
from twig_assets.sensors.jobs import AUDITS, BATCH_ASSETS, BATCHES, CONCEPTS, GATE, RELEASED


def test_the_steps_of_a_batch_are_all_assets_of_its_partitions_in_lineage_order() -> None:
    graph = defs.resolve_asset_graph()
    order = [key.to_user_string() for level in graph.toposorted_asset_keys_by_level for key in level]
    of_batches = {
        key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).partitions_def == prompt_batches
    }
    assert list(BATCH_ASSETS) == [name for name in order if name in of_batches]
    assert BATCH_ASSETS[-2:] == (AUDITS, RELEASED)


def test_the_gate_is_a_blocking_check_of_the_audits() -> None:
    assert defs.resolve_asset_graph().get(dg.AssetCheckKey(dg.AssetKey(AUDITS), GATE)).blocking


def test_partitions_have_one_name_each() -> None:
    assert (prompt_batches.name, concepts.name) == (BATCHES, CONCEPTS)
