"""An edit in other programs' files: diffusers draws from them what the edit draws, and knows their names."""

import copy

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from diffusers.loaders.lora_conversion_utils import (
    _convert_non_diffusers_lora_to_diffusers,
    _maybe_map_sgm_blocks_to_diffusers,
)
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from safetensors.torch import load_file

from tests.unit.generation.families.pipelines import BUILDERS
from twig_assets.ablation import AblationSettings, ConceptEdit, ConceptTarget, EditError, ablate
from twig_assets.ablation.edits.checkpoint import export_checkpoint
from twig_assets.ablation.edits.concept_edit import EditPart
from twig_assets.ablation.edits.parameters import editable_parameters, pooled_entry_weights, text_entry_weights
from twig_assets.ablation.edits.stored_delta import low_rank
from twig_assets.generation import GenerationSettings, family_of, fingerprint, generate
from twig_assets.settings.ablation import StorageSettings

FOX = ConceptTarget(name="fox", target="fox", anchor="dog", kind="object", preserve=("owl",))
CLOSED = AblationSettings(method="closed_form")
FEW = GenerationSettings(steps=2, guidance_rescale=0, guidance_from=0)


def made(name):
    """A pipeline of its own, since LoRAs are loaded into it."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        pipeline = BUILDERS[name]()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def edit_of(pipeline):
    """An edit of where text enters and, for a U-Net, of other attention layers and all CLIP text encoders."""
    generator = torch.Generator().manual_seed(0)
    family, known = family_of(pipeline), editable_parameters(pipeline)
    names = [*text_entry_weights(pipeline), *pooled_entry_weights(pipeline)]
    if family.denoiser_name == "unet":
        names += [name for name in known if name.endswith(("attn1.to_q.weight", "attn1.to_out.0.weight"))]
        names += [name for name in known if name.endswith(("v_proj.weight", "fc2.weight"))]
    deltas = {name: 0.3 * torch.randn(known[name].shape, generator=generator) for name in names}
    deltas[names[0]] = low_rank(deltas[names[0]], 4, 0)
    return ConceptEdit((EditPart(FOX, deltas=deltas),), fingerprint(pipeline), CLOSED)


def drawn(pipeline):
    return generate(pipeline, ["a red fox in the house", "an owl"], [3, 4], FEW).astype(int)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("stable_diffusion", "kohya"),
        ("stable_diffusion_xl", "kohya"),
        ("stable_diffusion_3", "diffusers"),
        ("flux", "diffusers"),
        ("flux_2_klein", "kohya"),
        ("flux_2_klein", "comfyui"),
        ("z_image", "kohya"),
        ("z_image", "comfyui"),
        ("qwen_image", "comfyui"),
    ],
)
def test_diffusers_loads_a_lora_as_the_edits_change(tmp_path, name, form):
    pipeline = made(name)
    edit = edit_of(pipeline)
    edit.export_lora(tmp_path / "lora.safetensors", pipeline, form)
    expected = {name: editable_parameters(pipeline)[name] + delta for name, delta in edit.deltas(pipeline).items()}
    pipeline.load_lora_weights(tmp_path / "lora.safetensors")
    pipeline.fuse_lora(components=[*pipeline.get_list_adapters()])
    pipeline.unload_lora_weights()
    fused = editable_parameters(pipeline)
    for name, value in expected.items():
        if form == "kohya" and "self_attn" in name:
            continue  # what diffusers converts these names to, transformers 5 does not load; see the next but one
        torch.testing.assert_close(fused[name], value.float(), atol=2e-3, rtol=1e-3, msg=name)


@pytest.mark.parametrize("name", ["stable_diffusion", "stable_diffusion_xl"])
def test_a_loaded_lora_draws_what_the_edit_draws(tmp_path, name):
    pipeline = made(name)
    edit, plain = edit_of(pipeline), drawn(pipeline)
    edit.export_lora(tmp_path / "lora.safetensors", pipeline)
    edit.apply(pipeline, edit.base_sha256)
    edited = drawn(pipeline)
    edit.remove(pipeline)
    pipeline.load_lora_weights(tmp_path / "lora.safetensors")
    assert np.abs(edited - plain).max() > 8
    assert np.abs(drawn(pipeline) - edited).max() <= 2


def test_kohyas_names_are_those_of_its_scripts(tmp_path):
    names = {}
    for name in ("stable_diffusion", "stable_diffusion_xl"):
        pipeline = made(name)
        edit_of(pipeline).export_lora(tmp_path / "lora.safetensors", pipeline, "kohya")
        names[name] = load_file(tmp_path / "lora.safetensors")
    sd, xl = names["stable_diffusion"], names["stable_diffusion_xl"]
    inside = "transformer_blocks_0_attn2_to_k.lora_down.weight"
    assert f"lora_unet_down_blocks_1_attentions_0_{inside}" in sd
    assert "lora_te_text_model_encoder_layers_0_self_attn_v_proj.lora_up.weight" in sd
    assert f"lora_unet_input_blocks_3_1_{inside}" in xl
    assert f"lora_unet_middle_block_1_{inside}" in xl
    assert "lora_unet_label_emb_0_0.lora_down.weight" in xl
    assert f"lora_unet_output_blocks_1_1_{inside}" in xl
    assert {key[:8] for key in xl if key.startswith("lora_te")} == {"lora_te1", "lora_te2"}
    assert len({float(alpha) for key, alpha in xl.items() if key.endswith("alpha")}) == 1
    mapped = _maybe_map_sgm_blocks_to_diffusers(dict(xl), made("stable_diffusion_xl").unet.config)
    converted, _ = _convert_non_diffusers_lora_to_diffusers(mapped)
    assert len(converted) == 2 * len(xl) // 3
    attention = "text_model.encoder.layers.0.self_attn.to_v_lora.up.weight"
    assert {f"text_encoder.{attention}", f"text_encoder_2.{attention}"} <= converted.keys()
    # diffusers leaves the component's name out here, so that it does not load what it has converted.
    flux = made("flux")
    edit_of(flux).export_lora(tmp_path / "flux.safetensors", flux, "kohya")
    loaded = flux.lora_state_dict(tmp_path / "flux.safetensors")
    assert {key.partition(".lora_")[0].removeprefix("transformer.") for key in loaded} == {
        "context_embedder",
        "time_text_embed.text_embedder.linear_1",
    }


@pytest.mark.parametrize("name", ["stable_diffusion", "stable_diffusion_xl"])
def test_comfyuis_names_are_those_of_the_published_checkpoints(tmp_path, name):
    pipeline = made(name)
    edit = edit_of(pipeline)
    edit.export_lora(tmp_path / "lora.safetensors", pipeline, "comfyui")
    tensors = load_file(tmp_path / "lora.safetensors")
    changes = {
        key.removesuffix(".lora_A.weight"): tensors[key.replace("lora_A", "lora_B")] @ down
        for key, down in tensors.items()
        if key.endswith(".lora_A.weight")
    }
    published = {f"{key}.weight": change for key, change in changes.items() if key.startswith("diffusion_model.")}
    converted = as_diffusers_names(pipeline, published)
    expected = {key: delta for key, delta in edit.deltas(pipeline).items() if key.startswith("unet.")}
    assert {f"unet.{key}" for key in converted} == expected.keys()
    for key, change in converted.items():
        torch.testing.assert_close(change.float(), expected[f"unet.{key}"].float(), atol=2e-3, rtol=2e-3)
    kinds = {key.split(".")[1] for key in changes if key.startswith("text_encoders.")}
    assert kinds == ({"clip_l"} if name == "stable_diffusion" else {"clip_l", "clip_g"})
    assert "text_encoders.clip_l.transformer.text_model.encoder.layers.1.mlp.fc2" in changes


def as_diffusers_names(pipeline, published):
    """What diffusers makes of weights of a published file, of which there are only some; it counts the blocks first."""
    blocks = [
        f"{half}.{i}.9.nothing" for half, count in (("input_blocks", 4), ("output_blocks", 4)) for i in range(count)
    ]
    file = {f"model.diffusion_model.{block}": torch.zeros(1) for block in [*blocks, "middle_block.0.nothing"]}
    pooled = [f"label_emb.0.{i}.{kind}" for i in (0, 2) for kind in ("weight", "bias")]
    file |= {f"model.diffusion_model.{name}": torch.zeros(1) for name in pooled}
    file |= {f"model.{key}": value for key, value in published.items()}
    file |= {f"model.diffusion_model.middle_block.{i}.nothing": torch.zeros(1) for i in (0, 1, 2)}
    converted = convert_ldm_unet_checkpoint(file, dict(pipeline.unet.config))
    return {key: value for key, value in converted.items() if value.numel() > 1}


@pytest.mark.parametrize("name", ["stable_diffusion", "stable_diffusion_xl"])
def test_a_checkpoint_draws_the_same_bytes_in_diffusers(tmp_path, name):
    pipeline = made(name)
    edit, base_sha256 = edit_of(pipeline), fingerprint(pipeline)
    edit.apply(pipeline, base_sha256)
    edited = drawn(pipeline)
    edit.remove(pipeline)
    export_checkpoint(edit, tmp_path / "edited", pipeline, base_sha256)
    assert fingerprint(pipeline) == base_sha256
    np.testing.assert_array_equal(drawn(DiffusionPipeline.from_pretrained(tmp_path / "edited")), edited)
    with pytest.raises(EditError, match="new or empty folder"):
        export_checkpoint(edit, tmp_path / "edited", pipeline, base_sha256)


def test_a_compressed_edits_lora_is_as_small_as_the_edit(tmp_path, tiny):
    storage = StorageSettings(whole_below=0, max_error=0.5)
    brief = AblationSettings().distillation.model_copy(update={"steps": 2, "batch_size": 2})
    edit = ablate(tiny, FOX, AblationSettings(storage=storage, distillation=brief), "0" * 64)
    edit.export_lora(tmp_path / "lora.safetensors", copy.copy(tiny))
    ranks = {len(value) for key, value in load_file(tmp_path / "lora.safetensors").items() if "down" in key}
    assert max(ranks) == max(factors.down.shape[0] for factors in edit.factors().values())


def test_what_has_no_name_elsewhere_is_refused(tmp_path):
    pipeline = made("flux")
    name = "transformer.single_transformer_blocks.0.proj_mlp.weight"
    deltas = {name: torch.ones_like(editable_parameters(pipeline)[name])}
    edit = ConceptEdit((EditPart(FOX, deltas=deltas),), "0" * 64, CLOSED)
    with pytest.raises(EditError, match=r"single_transformer_blocks.*export it for diffusers"):
        edit.export_lora(tmp_path / "lora.safetensors", pipeline, "kohya")
    sigma = made("pixart_sigma")
    with pytest.raises(EditError, match=r"reads no LoRA into a PixArtSigmaPipeline"):
        edit_of(sigma).export_lora(tmp_path / "lora.safetensors", sigma)
