"""With the package itself: its registry, its runner and a metric made by its rules."""

import json

import numpy as np
import pytest
from eval_unlearn.registry import get_technique, register_metric
from eval_unlearn.registry.entrypoints import load_entrypoints
from eval_unlearn.runners.single_benchmark_runner import SingleBenchmarkRunner
from eval_unlearn.types import Dataset, MetricResult
from pydantic import ValidationError

from twig_assets.ablation import AblationSettings, ConceptEdit, ConceptTarget, EditError, ablate
from twig_assets.ablation.eval_unlearn import ConceptAblation
from twig_assets.generation import GenerationSettings, generate

ASKED = {
    "erase_concept": "tropical fish",
    "anchor_concept": "fish",
    "model_id": "embedded",
    "num_inference_steps": 4,
    "guidance_scale": 3,
    "batch_size": 1,
    "ablation": {"method": "closed_form"},
}
PROMPTS = ["a tropical fish", "a castle"]


class Collected:
    """A metric that keeps what it is given."""

    images: list = []

    def load_dataset(self):
        return [Dataset(PROMPTS, {"source": "two prompts"})]

    def update(self, images, prompts, metadata):
        self.images += images

    def compute(self):
        return MetricResult("collected", float(len(self.images)))


def test_the_package_finds_the_technique_and_its_runner_draws_with_the_ablated_model(tmp_path, pipeline):
    load_entrypoints()
    assert get_technique("twig_ablation") is ConceptAblation
    register_metric("collected")(Collected)
    Collected.images.clear()
    file = tmp_path / "edit.safetensors"
    config = {**ASKED, "save_path": str(file)}
    SingleBenchmarkRunner("twig_ablation", "collected", config, output_dir=str(tmp_path / "results"), seed=3).run()
    (report,) = (tmp_path / "results").glob("*_latest_report.json")
    assert "twig_ablation" in json.dumps(json.loads(report.read_text()))

    edit = ConceptEdit.load(file)
    fish = ConceptTarget(name="erased", target="tropical fish", anchor="fish", kind="object")
    assert edit.to_bytes() == ablate(pipeline, fish, AblationSettings(method="closed_form")).to_bytes()
    how = GenerationSettings(steps=4, guidance_scale=3, guidance_rescale=0, guidance_from=0, batch_size=1)
    before = generate(pipeline, PROMPTS, [3, 4], how)
    edit.apply(pipeline)
    after = generate(pipeline, PROMPTS, [3, 4], how)
    edit.remove(pipeline)
    assert np.array_equal(np.stack(Collected.images), after)
    assert not np.array_equal(before[0], after[0])

    again = ConceptAblation(**config)
    assert np.array_equal(again.generate(prompts=PROMPTS[1:], seed=4, num_inference_steps=4)[0], after[1])
    with pytest.raises(EditError, match="another concept"):
        ConceptAblation(**{**config, "erase_concept": "shark"})


@pytest.mark.parametrize("change", [{"erase_concept": ""}, {"concept_type": "attribute"}, {"colour": "red"}])
def test_a_configuration_that_says_nothing_known_is_refused(change):
    with pytest.raises(ValidationError, match=next(iter(change))):
        ConceptAblation(**{**ASKED, **change})
