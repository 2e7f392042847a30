"""`twig generate` and `twig edit export`: all options reach the model, and mistakes are said before it is read."""

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

from twig_assets.ablation import AblationSettings, ConceptTarget, ablate
from twig_assets.cli.app import app
from twig_assets.generation import GenerationSettings, OpeningSettings, fingerprint, generate, load_checkpoint
from twig_assets.generation.usual import usual_settings
from twig_assets.model_zoo.loading import WEIGHTS

FOX = ConceptTarget(name="fox", target="fox", anchor="dog", kind="object", preserve=("wolf",))


@pytest.fixture(scope="module")
def edit_file(pipeline, tmp_path_factory):
    path = tmp_path_factory.mktemp("edits") / "fox.safetensors"
    ablate(pipeline, FOX, AblationSettings(method="closed_form"), fingerprint(pipeline)).save(path)
    return path


def twig(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def picture(path):
    return np.asarray(Image.open(path))


def test_every_option_of_the_sampler_reaches_it_and_so_does_an_edit(tmp_path, pipeline, edit_file):
    drawn = {"steps": 2, "guidance": 2, "size": "32x64", "negative-prompt": "a boat", "seed": 5}
    options = [part for name, value in drawn.items() for part in (f"--{name}", value)]
    done = twig("generate", "a fox", "--out", tmp_path, "--edit", edit_file, *options)
    assert done.exit_code == 0, done.output
    settings = GenerationSettings(steps=2, guidance_scale=2, width=32, height=64, negative_prompt="a boat")
    from twig_assets.ablation import ConceptEdit

    edit = ConceptEdit.load(edit_file)
    edit.apply(pipeline)
    expected = generate(pipeline, ["a fox"], [5], settings)[0]
    edit.remove(pipeline)
    np.testing.assert_array_equal(picture(tmp_path / "5.png"), expected)
    assert expected.shape == (64, 32, 3)


def test_a_checkpoint_of_ones_own_is_drawn_as_its_pipeline_draws_it(tmp_path, pipeline):
    usual = usual_settings(pipeline)
    assert (usual.steps, usual.guidance_scale, usual.guidance_rescale, usual.guidance_from) == (50, 7.5, 0, 0)
    opened = ["--checkpoint", WEIGHTS / "pipeline", "--scheduler", "DDIMScheduler", "--dtype", "bfloat16"]
    done = twig("generate", "a fox", "--out", tmp_path, "--steps", 2, *opened)
    assert done.exit_code == 0, done.output
    opening = OpeningSettings(scheduler="DDIMScheduler", dtype="bfloat16")
    again = load_checkpoint(str(WEIGHTS / "pipeline"), opening=opening)
    expected = generate(again, ["a fox"], [0], usual.model_copy(update={"steps": 2}))[0]
    np.testing.assert_array_equal(picture(tmp_path / "0.png"), expected)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--steps", 0], "--steps"),
        (["--guidance", 0.5], "--guidance"),
        (["--size", "large"], "WIDTHxHEIGHT"),
        (["--size", "8x64"], "--size"),
        (["--dtype", "int8"], "--dtype"),
        (["--edit", "nowhere.safetensors"], "nowhere.safetensors"),
    ],
)
def test_a_wrong_option_is_named_before_a_model_is_opened(monkeypatch, tmp_path, arguments, says):
    monkeypatch.setattr("twig_assets.generation.load_checkpoint", None)
    monkeypatch.setenv("COLUMNS", "200")
    done = twig("generate", "a fox", "--out", tmp_path, *arguments)
    assert done.exit_code == 2
    assert says in done.output


def test_an_edit_is_exported_as_a_lora_or_as_a_checkpoint(tmp_path, pipeline, edit_file):
    lora, folder = tmp_path / "fox.kohya.safetensors", tmp_path / "edited"
    assert twig("edit", "export", edit_file, "--lora", "kohya", "--out", lora).exit_code == 0
    assert any(key.startswith("lora_unet_down_blocks") for key in load_file(lora))
    done = twig("edit", "export", edit_file, "--checkpoint", folder)
    assert done.exit_code == 0, done.output
    assert fingerprint(load_checkpoint(str(folder))) != fingerprint(pipeline)
    assert twig("edit", "export", edit_file).exit_code == 2
    assert twig("edit", "export", edit_file, "--lora", "kohya", "--checkpoint", folder).exit_code == 2


def test_an_edit_of_another_model_says_what_to_name(tmp_path, edit_file):
    done = twig("edit", "export", edit_file, "--lora", "diffusers", "--dtype", "bfloat16", "--out", tmp_path / "a")
    assert "name the checkpoint" in str(done.exception)
