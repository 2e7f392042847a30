import numpy as np
import pytest

from twig_assets.bench.models.regeneration import AUTO, NEW_SEED, SAME_SEED, bars, changed
from twig_assets.bench.models.second_images import SecondImages
from twig_assets.similarity import wang_ssim


def rows():
    return [
        {"kind": "planted", "strategy": SAME_SEED, "fail_share": 1.0, "n": 10},
        {"kind": "planted", "strategy": NEW_SEED, "fail_share": 0.9, "n": 10},
        {"kind": "planted", "strategy": AUTO, "fail_share": 0.5, "n": 10},
        {"kind": "content", "strategy": SAME_SEED, "fail_share": 1.0, "n": 10},
        {"kind": "content", "strategy": AUTO, "fail_share": 0.0, "as_asked_share": 0.6, "n": 10},
        ordinary(NEW_SEED, 0.5, 0.9, 1.0, [1.0, 3.0]),
        ordinary(AUTO, 0.25, 0.8, 1.5, [2.0, 3.0]),
    ]


def ordinary(strategy, location, top1, cost, kids):
    return {
        "kind": "ordinary",
        "strategy": strategy,
        "location_iou": location,
        "top1": top1,
        "cost_ratio": cost,
        "kid_per_seed_set": kids,
    }


def test_the_bars_compare_auto_with_a_new_seed_and_a_miss_is_a_miss():
    measured = {bar.name: bar for bar in bars(rows())}
    values = {name: bar.value for name, bar in measured.items()}
    assert values == pytest.approx(
        {
            "planted_copy_share_plain": 1.0,
            "planted_copy_share_auto": 0.5,
            "planted_copy_share_new_seed": 0.9,
            "content_copy_share_plain": 1.0,
            "content_copy_share_auto": 0.0,
            "content_concept_share_auto": 0.6,
            "location_iou_ratio": 0.5,
            "top1_drop": 0.1,
            "cost_ratio": 1.5,
            "kid_ratio": 1.25,
        }
    )
    assert measured["planted_copy_share_auto"].interval == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert [name for name, bar in measured.items() if bar.holds] == [
        "planted_copy_share_plain",
        "planted_copy_share_new_seed",
        "content_copy_share_plain",
        "content_copy_share_auto",
        "location_iou_ratio",
    ]


def test_the_cost_is_compared_batch_by_batch_so_that_a_machine_may_become_slower():
    plain = np.array([0.3, 0.3, 0.6, 0.6, 0.6])
    assert SecondImages(None, None, 1.2 * plain).cost_ratio(plain) == pytest.approx(1.2)
    assert SecondImages(None, None, 1.2 * plain[:2]).cost_ratio(plain) == pytest.approx(1.2), "drawn for fewer prompts"
    assert SecondImages(None, None).cost_ratio(plain) is None, "was not drawn"


def test_the_controls_are_what_they_say():
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(changed(changed(images, "mirror"), "mirror"), images)
    for control in ("blur", "noise"):
        after = changed(images, control)
        assert after.shape == images.shape
        assert 0 < wang_ssim(images[0], after[0]) < 1
    assert changed(images, "blur").std() < images.std()
