"""The bars of the benchmark `families`, from rows."""

import pytest

from twig_assets.bench.models.ablation_tasks import tasks
from twig_assets.bench.models.families import AUTO, FIRST, NEW_SEED, SMALL, bars, settings_of


def rows():
    return [
        {"kind": "recognition", "model": "real art", "concept_top1": 0.8},
        {"kind": "recognition", "model": "flow", "concept_top1": 0.6, "n": 10},
        {"kind": "recognition", "model": "diffusion", "concept_top1": 0.2},
        ablation("fast", 0.05, 0.2),
        ablation("fast", 0.2, -0.1),
        ablation("closed_form", 0.1, 0.04),
        ablation("closed_form", 0.0, 0.06),
        ablation("fast", 0.9, 0.9) | {"model": "diffusion"},
        {"kind": "planted", "model": "flow", "strategy": FIRST, "fail_share": 0.9, "n": 10},
        {"kind": "planted", "model": "flow", "strategy": AUTO, "fail_share": 0.1, "n": 10},
        {"kind": "ordinary", "model": "flow", "strategy": NEW_SEED, "location_iou": 0.5, "top1": 0.6},
        {"kind": "ordinary", "model": "flow", "strategy": AUTO, "location_iou": 0.3, "top1": 0.57},
        {"kind": "strength 0", "model": "flow", "different_bytes": 0},
    ]


def ablation(method, left, drop):
    return {"kind": "ablation", "model": "flow", "method": method, "left": left, "surrounding_drop": drop}


def test_the_bars_are_the_transformers():
    measured = {bar.name: bar for bar in bars(rows())}
    assert {name: bar.value for name, bar in measured.items()} == pytest.approx(
        {
            "flow_concept_ratio": 0.75,
            "flow_target_accuracy_max": 0.1,
            "flow_surrounding_drop_max": 0.06,
            "flow_planted_copy_share_plain": 0.9,
            "flow_planted_copy_share_auto": 0.1,
            "flow_location_iou_ratio": 0.6,
            "flow_top1_drop": 0.03,
            "flow_strength_0_different_bytes": 0,
        }
    )
    low, high = measured["flow_concept_ratio"].interval
    assert (low, high) == pytest.approx((0.3127 / 0.8, 0.8318 / 0.8), abs=1e-3)
    missed = [name for name, bar in measured.items() if not bar.holds]
    assert missed == ["flow_surrounding_drop_max", "flow_planted_copy_share_auto"]


def test_both_figures_of_an_ablation_are_one_methods():
    left = [row for row in rows() if row.get("method") != "closed_form"]
    values = {bar.name: bar.value for bar in bars(left)}
    assert (values["flow_target_accuracy_max"], values["flow_surrounding_drop_max"]) == (0.2, 0.2)


def test_the_subjects_of_a_style_share_its_images():
    (style,) = (task for task in tasks() if task.name == "glyph")
    (thing,) = (task for task in tasks() if task.name == "unicorn")
    assert settings_of("fast", style, SMALL).evaluation.surrounding_samples == 1
    assert settings_of("fast", thing, SMALL).evaluation.surrounding_samples == SMALL.surrounding
