"""An edit as a LoRA file, for programs that know nothing of this one."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from twig_assets.ablation.edits.applying import WeightEdit, applied_edit
from twig_assets.ablation.edits.parameters import editable_modules
from twig_assets.ablation.errors import EditError
from twig_assets.generation import Pipeline, family_of

# Singular values below this share of the largest are rounding errors.
_NUMERICAL_ZERO = 1e-6


def export_lora(edit: WeightEdit, path: Path, pipeline: Pipeline) -> None:
    """Write the edit for `pipeline.load_lora_weights(path)`, which needs the package peft.

    Each changed matrix is factored at its numerical rank, so nothing is lost but float32 rounding.

    Args:
        edit: What to export.
        path: A `.safetensors` file.
        pipeline: The unedited model that the edit was made for.

    Raises:
        EditError: If the pipeline is edited, or the edit changes something that a LoRA cannot: a bias, a norm, a
            convolution or a text embedding.
    """
    if applied_edit(pipeline) is not None:
        raise EditError("a LoRA is exported for the unedited model; remove the edit from the pipeline first")
    modules, denoiser = editable_modules(pipeline), family_of(pipeline).denoiser_name
    tensors: dict[str, torch.Tensor] = {}
    for name, delta in edit.deltas(pipeline).items():
        component, _, inside = name.partition(".")
        module = modules[component].get_submodule(inside.rpartition(".")[0])
        if not (isinstance(module, torch.nn.Linear) and inside.endswith(".weight")):
            raise EditError(f"a LoRA cannot hold a change of {name}; ship the edit's own file instead")
        up, sizes, down = torch.linalg.svd(delta, full_matrices=False)
        rank = max(1, int((sizes > _NUMERICAL_ZERO * sizes[0]).sum()))
        lower, upper = _keys(component, inside.removesuffix(".weight"), component == denoiser)
        tensors[lower] = (sizes[:rank, None].sqrt() * down[:rank]).float().contiguous()
        tensors[upper] = (up[:, :rank] * sizes[:rank].sqrt()).float().contiguous()
    save_file(tensors, path)


def _keys(component: str, module: str, is_denoiser: bool) -> tuple[str, str]:
    """What diffusers calls the two factors; for a text encoder only its older names are read for every layer."""
    if is_denoiser:
        return f"{component}.{module}.lora_A.weight", f"{component}.{module}.lora_B.weight"
    # Newer transformers drop `text_model`, older ones need it, and diffusers reads it for both.
    place = f"{component}.text_model.{module.removeprefix('text_model.')}.lora_linear_layer"
    return f"{place}.down.weight", f"{place}.up.weight"
