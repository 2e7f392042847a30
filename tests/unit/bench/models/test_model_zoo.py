"""The parts of the model-zoo benchmark that need no generated picture."""

from pathlib import Path

import numpy as np
from PIL import Image

from twig_assets.bench.models import model_zoo
from twig_assets.bench.models.artist import plain_prompt
from twig_assets.bench.models.recognition import Named
from twig_assets.model_zoo import planted


def test_a_plain_prompt_names_concept_style_and_ground() -> None:
    prompt = plain_prompt(("T-Rex", "noto"), np.random.default_rng(0))
    assert prompt.startswith("a t-rex, noto style on a ")
    assert prompt.endswith(" background")


def test_ratios_compare_generated_pictures_with_real_art() -> None:
    right, wrong = Named(("owl", "noto"), "owl", "noto"), Named(("owl", "noto"), "bat", "noto")
    measured = model_zoo.recognised(real=[right] * 4 + [wrong], named=[right, wrong], unseen=[right] * 2 + [wrong] * 8)
    bars = {bar.name: (round(bar.value, 6), bar.holds) for bar in measured.bars}
    assert bars == {
        "classifier_top1": (0.8, False),
        "concept_ratio": (0.625, False),
        "style_ratio": (1.0, True),
        "heldout_ratio": (0.25, False),
    }


def test_memorisation_is_judged_by_the_worst_of_the_eight_works() -> None:
    exact = {work.slug: np.stack([planted.picture(work)] * 3) for work in planted.WORKS}
    grey = np.full_like(exact["clock"], 128)
    copies = exact | {"clock": np.stack([exact["clock"][0], grey[0], grey[0]])}
    ordinary = [grey[0]] * 18 + [planted.picture(planted.WORKS[0])] * 2
    measured = model_zoo.memorised(copies, ordinary)
    worst, p95 = (bar.value for bar in measured.bars)
    clock = next(row for row in measured.rows if row["group"] == "clock")
    assert worst == clock["ssim_median"] < 0.5
    assert sum(row.get("ssim_median") == 1 for row in measured.rows) == 7
    assert p95 > 0.9


def test_the_art_is_counted_by_concepts_that_have_every_style() -> None:
    (bar,) = model_zoo.variety().bars
    assert bar.holds
    assert bar.value == 134


def test_the_grid_shows_pairs_and_then_each_work_beside_its_copy(tmp_path: Path) -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    copies = [np.full_like(grey, 10 * i) for i in range(8)]
    model_zoo.write_grid(tmp_path / "new" / "grid.png", {("owl", "noto"): grey}, copies)
    sheet = np.asarray(Image.open(tmp_path / "new" / "grid.png"))
    assert sheet.shape == (128, 1024, 3)
    np.testing.assert_array_equal(sheet[:64, :64], grey)
    assert (sheet[:64, 64:] == 255).all()
    np.testing.assert_array_equal(sheet[64:, :64], planted.picture(planted.WORKS[0]))
    np.testing.assert_array_equal(sheet[64:, 192:256], copies[1])
