import json

import numpy as np
import pytest

from twig_assets.ablation.prompts.variants import framings
from twig_assets.bench import UnknownBenchmarkError, run
from twig_assets.bench.memory import PeakMemory
from twig_assets.bench.models.ablation import METHODS, SMALL, UnknownChoiceError, measure, settings_of
from twig_assets.bench.models.ablation_bars import bars
from twig_assets.bench.models.ablation_cache import SOURCES, AblationCache
from twig_assets.bench.models.ablation_tasks import QUICK, UNRELATED, tasks
from twig_assets.bench.report import PACKAGE_DIR
from twig_assets.model_zoo.art import concept_names


def estimate(value, by=0.05):
    return {"value": value, "low": value - by, "high": value + by, "n": 10}


def row(task, method, seconds, left, drop=0.0, **more):
    summaries = {"target_share": estimate(left), "copy_share": None, "surrounding_drop": estimate(drop)}
    return {"task": task, "method": method, "cpu_seconds": seconds, "leakage": left / 2, **summaries, **more}


def test_there_are_four_objects_four_styles_and_eight_works_that_the_model_knows():
    listed = tasks()
    assert [task.concept.kind for task in listed] == ["object"] * 4 + ["style"] * 4 + ["memorized"] * 8
    assert len({task.name for task in listed}) == 16
    assert set(QUICK) < {task.name for task in listed}
    known = {name.lower() for name in concept_names()}
    for task in listed:
        assert set(task.concept.subjects) <= known
        if task.concept.kind != "style":
            assert {word.lower() for word in task.concept.preserve} <= known


def test_unrelated_prompts_have_nothing_to_do_with_any_task():
    words = {word for task in tasks() for word in f"{task.concept.target} {task.concept.anchor}".lower().split()}
    assert not {prompt.split()[-1] for prompt in UNRELATED} & words
    assert not set(framings("object", "training")) & set(framings("object", "evaluation"))


def test_the_bars_compare_fast_with_the_paper_and_a_miss_is_a_miss():
    rows = [
        row("a", "fast", 1, 0.0),
        row("b", "fast", 3, 0.3, drop=0.2),
        row("a", "model_based", 10, 0.1),
        row("b", "model_based", 10, 0.2),
    ]
    measured = {bar.name: bar for bar in bars(rows)}
    assert {name: bar.value for name, bar in measured.items()} == pytest.approx(
        {
            "cpu_ratio_median": 0.2,
            "removal_wins": 1,
            "surrounding_wins": 1,
            "target_accuracy_max": 0.3,
            "surrounding_drop_max": 0.2,
            "leakage_max": 0.15,
        }
    )
    assert not any(bar.holds for bar in measured.values())


def test_copies_decide_where_they_are_counted():
    copied = {"copy_share": estimate(0.5), "target_share": None}
    rows = [row("w", "fast", 1, 0, **copied), row("w", "model_based", 10, 0, **{**copied, "copy_share": estimate(0.1)})]
    measured = {bar.name: bar.value for bar in bars(rows)}
    assert measured["removal_wins"] == 0
    assert measured["copy_share_max"] == 0.5
    assert "target_accuracy_max" not in measured


def test_without_the_papers_method_nothing_is_compared_and_the_composed_edit_has_bars_of_its_own():
    composed = row("composed", "fast", 1, 0.2, drop=0.01, unrelated_drop=estimate(0.03))
    measured = {bar.name: bar.holds for bar in bars([row("a", "fast", 1, 0.0), composed])}
    assert "cpu_ratio_median" not in measured
    assert measured["composed_target_accuracy_max"] is False
    assert measured["composed_surrounding_drop_max"] is True
    assert measured["unrelated_clip_drop"] is False
    assert measured["target_accuracy_max"] is True


@pytest.mark.parametrize(("choice", "says"), [({"methods": ["uce"]}, "model_based"), ({"chosen": ["cat"]}, "unicorn")])
def test_a_method_or_task_that_there_is_not_is_refused_with_those_that_there_are(choice, says):
    with pytest.raises(UnknownChoiceError, match=says):
        measure(quick=True, **choice)


def test_only_this_benchmark_has_tasks():
    with pytest.raises(UnknownBenchmarkError, match="leave them out"):
        run("similarity", tasks=["unicorn"])


def test_every_method_is_judged_on_the_same_images():
    for task in tasks():
        judged = {settings_of(method, task, SMALL).evaluation for method in METHODS}
        assert len(judged) == 1


def test_model_based_gets_the_papers_steps_and_twice_as_many_where_those_left_something():
    steps = {task.name: settings_of("model_based", task, SMALL).tuning.steps for task in tasks()}
    assert {name for name, count in steps.items() if count == 200} == {"unicorn", "twemoji", "noto", "fluent"}
    assert sorted(steps.values()) == [100] * 4 + [200] * 4 + [400] * 8
    assert {settings_of("noise_based", task, SMALL).tuning.steps for task in tasks()} == {100, 400}


def test_what_was_finished_is_there_again_and_other_settings_start_from_nothing(tmp_path):
    images = np.arange(3 * 8 * 8 * 3, dtype=np.uint8).reshape(3, 8, 8, 3)
    cache = AblationCache(tmp_path, {"samples": 1})
    assert cache.row("a.fast") is None
    assert cache.unedited("a") == {}
    cache.keep("a.fast", {"task": "a", "leakage": None}, images)
    cache.keep_unedited("a", {("an owl", k): image for k, image in enumerate(images)})
    again = AblationCache(tmp_path, {"samples": 1})
    assert again.row("a.fast") == {"task": "a", "leakage": None}
    assert np.array_equal(again.unedited("a")["an owl", 2], images[2])
    assert AblationCache(tmp_path, {"samples": 2}).row("a.fast") is None
    assert not list(again.folder.glob("*.partial*"))


@pytest.mark.parametrize("source", SOURCES)
def test_the_code_that_kept_rows_depend_on_is_where_the_cache_looks(source):
    path = PACKAGE_DIR / source
    assert list(path.rglob("*.py")) if path.is_dir() else path.is_file()


def test_a_row_that_was_cut_off_is_made_again(tmp_path):
    cache = AblationCache(tmp_path, {})
    (cache.folder / "a.fast.json.partial").write_text(json.dumps({"task": "a"})[:5])
    assert cache.row("a.fast") is None


def test_peak_memory_holds_what_was_taken_and_given_back():
    with PeakMemory() as idle:
        pass
    with PeakMemory() as held:
        block = np.ones(200 * 2**20, np.uint8)
        assert block.sum() == block.size
    assert held.mib > idle.mib + 150
