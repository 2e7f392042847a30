"""The checkpoints of the benchmark `real-size`: written without content in memory, and as good as any other."""

import hashlib
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from tests.unit.generation.families import pipelines
from twig_assets.bench.models.real_size import work
from twig_assets.bench.models.real_size.architectures import ARCHITECTURES
from twig_assets.bench.models.real_size.process import ended
from twig_assets.bench.models.real_size.random_weights import random_tensor, write_pipeline
from twig_assets.bench.models.real_size.real_size import bars
from twig_assets.generation import GenerationSettings, family_of, generate, load_checkpoint
from twig_assets.settings.opening import OpeningSettings


@pytest.mark.parametrize("name", ["stable_diffusion", "z_image", "flux_2_klein"])
def test_a_written_checkpoint_opens_as_it_is_and_draws_the_same_picture(tmp_path, name):
    with torch.device("meta"):
        pipeline = pipelines.BUILDERS[name]()
    size = write_pipeline(pipeline, tmp_path / "model", torch.float32, seed=3)
    assert size == write_pipeline(pipeline, tmp_path / "model", torch.float32, seed=4)  # it is there already
    write_pipeline(pipeline, tmp_path / "again", torch.float32, seed=3)
    first, second = (sorted((tmp_path / place).rglob("*.safetensors")) for place in ("model", "again"))
    assert [hashlib.sha256(file.read_bytes()).digest() for file in first] == [
        hashlib.sha256(file.read_bytes()).digest() for file in second
    ]
    opened = load_checkpoint(str(tmp_path / "model"), opening=OpeningSettings(device="cpu"))
    image = generate(opened, ["a red fox"], [1], GenerationSettings(steps=1, height=32, width=32))
    assert image.std() > 1


def test_a_written_checkpoint_can_be_worked_with(tmp_path):
    with torch.device("meta"):
        pipeline = pipelines.BUILDERS["stable_diffusion"]()
    write_pipeline(pipeline, tmp_path / "model", torch.float16)
    drawn = work.draw(tmp_path / "model", "bfloat16", 32)
    assert (drawn["size"], drawn["blank"]) == ([32, 32], False)
    edited = work.closed_form(tmp_path / "model", "bfloat16", 32)
    assert edited["unedited_again"]
    assert edited["fingerprint"] == drawn["fingerprint"]
    assert drawn["draw"]["peak_gib"] >= drawn["open"]["peak_gib"]


def test_half_precision_takes_half_and_tied_weights_are_written_once(tmp_path):
    with torch.device("meta"):
        pipeline = pipelines.BUILDERS["flux_2_klein"]()
    for name, dtype in (("whole", torch.float32), ("half", torch.bfloat16)):
        write_pipeline(pipeline, tmp_path / name, dtype)
    files = [tmp_path / name / "transformer" / "diffusion_pytorch_model.safetensors" for name in ("whole", "half")]
    whole, half = (sum(value.nbytes for value in load_file(file).values()) for file in files)
    assert whole == 2 * half


def test_norms_are_ones_biases_zeros_and_matrices_keep_what_goes_through_them():
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(random_tensor("a.norm.weight", torch.Size([4]), generator), torch.ones(4))
    assert torch.equal(random_tensor("a.bias", torch.Size([4]), generator), torch.zeros(4))
    matrix = random_tensor("a.weight", torch.Size([512, 256]), generator)
    assert float((matrix @ torch.randn(256, 64, generator=generator)).std()) == pytest.approx(1, abs=0.1)


def test_the_architectures_are_as_large_as_their_authors_made_them():
    built = {name: architecture.pipeline() for name, architecture in ARCHITECTURES.items()}
    assert family_of(built["sd15"]).prompt_limit == family_of(built["sdxl"]).prompt_limit == 77
    parameters = {
        name: {
            part: sum(p.numel() for p in module.parameters()) / 1e6
            for part, module in pipeline.components.items()
            if isinstance(module, torch.nn.Module)
        }
        for name, pipeline in built.items()
    }
    assert parameters["sd15"] == pytest.approx({"unet": 859.5, "vae": 83.7, "text_encoder": 123.1}, abs=0.1)
    assert parameters["sdxl"]["unet"] == pytest.approx(2567.5, abs=0.1)
    assert parameters["sdxl"]["text_encoder_2"] == pytest.approx(694.7, abs=0.1)


def test_what_a_process_cost_is_known_when_it_has_ended():
    code = (
        "import sys, time; held = bytearray(300 * 2**20); held[::4096] = b'1' * len(held[::4096]); time.sleep(1.2); "
        "print('said'); sys.exit(3)"
    )
    said, cost = ended(subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True))
    assert said == "said\n"
    assert cost["status"] == 3
    assert 0.28 < cost["peak_gib"] < 0.6


def test_the_bars_are_the_most_memory_of_each_model():
    rows = [
        {"model": "sd15", "peak_gib": 5.0},
        {"model": "sd15", "peak_gib": 7.5},
        {"model": "vit_b", "peak_gib": 99.0},
    ]
    [bar] = bars(rows)
    assert (bar.name, bar.value, bar.holds) == ("sd15_peak_gib", 7.5, True)
