"""What makes two models the same."""

import json
import shutil

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler

from twig_assets.generation import fingerprint, generate, load_checkpoint
from twig_assets.judge.calibration import shipped_calibration
from twig_assets.model_zoo.training.export import WEIGHTS


def test_the_embedded_models_fingerprint_is_what_catalogs_have_of_it(pipeline):
    assert fingerprint(pipeline) == shipped_calibration().base_sha256


def test_it_changes_with_a_single_weight(pipeline):
    before = fingerprint(pipeline)
    weight = next(pipeline.unet.parameters())
    with torch.no_grad():
        kept = weight.view(-1)[0].item()
        weight.view(-1)[0] += 1
        changed = fingerprint(pipeline)
        weight.view(-1)[0] = kept
    assert changed != before
    assert fingerprint(pipeline) == before


def test_it_changes_with_the_scheduler_its_configuration_and_its_prediction_type(pipeline, monkeypatch):
    fingerprints = [fingerprint(pipeline)]
    for kind, settings in (
        (EulerDiscreteScheduler, {}),
        (DPMSolverMultistepScheduler, {"prediction_type": "epsilon"}),
        (DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
    ):
        monkeypatch.setattr(pipeline, "scheduler", kind.from_config(pipeline.scheduler.config, **settings))
        fingerprints.append(fingerprint(pipeline))
        monkeypatch.undo()
    assert len(set(fingerprints)) == 4
    assert fingerprint(pipeline) == fingerprints[0]


def test_it_is_not_changed_by_writing_defaults_out_or_by_drawing(pipeline, monkeypatch):
    before = fingerprint(pipeline)
    generate(pipeline, ["a fox"], [1])
    assert fingerprint(pipeline) == before
    same = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config, solver_order=2, something_new=None)
    monkeypatch.setattr(pipeline, "scheduler", same)
    assert fingerprint(pipeline) == before


def test_it_changes_with_the_tokenizers_file(pipeline, tmp_path):
    folder = shutil.copytree(WEIGHTS / "pipeline", tmp_path / "copy")
    file = folder / "tokenizer" / "tokenizer.json"
    content = json.loads(file.read_text())
    vocabulary = content["model"]["vocab"]
    first, second = list(vocabulary)[400:402]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    file.write_text(json.dumps(content))
    assert fingerprint(load_checkpoint(str(folder))) != fingerprint(pipeline)


@pytest.mark.parametrize("field", ["scaling_factor"])
def test_it_changes_with_what_the_components_are_configured_to(pipeline, tmp_path, field):
    folder = shutil.copytree(WEIGHTS / "pipeline", tmp_path / "copy")
    file = folder / "vae" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {field: 0.5}))
    assert fingerprint(load_checkpoint(str(folder))) != fingerprint(pipeline)


def test_it_changes_with_a_safety_checker(pipeline, monkeypatch):
    before = fingerprint(pipeline)
    monkeypatch.setattr(pipeline, "safety_checker", torch.nn.Linear(2, 2))
    assert fingerprint(pipeline) != before
