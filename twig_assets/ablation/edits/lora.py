"""An edit as a LoRA file, for programs that know nothing of this one."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from twig_assets.ablation.edits.applying import WeightEdit, applied_edit
from twig_assets.ablation.edits.parameters import editable_modules
from twig_assets.ablation.edits.stored_delta import LowRank
from twig_assets.ablation.errors import EditError
from twig_assets.generation import Capability, ModelFamily, Pipeline, family_of
from twig_assets.settings.loras import LoraForm

# Singular values below this share of the largest are rounding errors.
_NUMERICAL_ZERO = 1e-6
# Kind of text encoder -> its number in kohya's names, where a model has several.
_KOHYA_ENCODERS = {"clip_l": 1, "clip_g": 2, "t5xxl": 3}


def export_lora(
    edit: WeightEdit,
    path: Path,
    pipeline: Pipeline,
    form: LoraForm = "diffusers",
    factors: Mapping[str, LowRank] | None = None,
) -> None:
    """Write the edit as a LoRA.

    Each changed matrix is factored at its numerical rank, so nothing is lost but float32 rounding.

    Args:
        edit: What to export.
        path: A `.safetensors` file.
        pipeline: The unedited model that the edit was made for.
        form: Whose names the layers have; `diffusers` is for `pipeline.load_lora_weights`, which needs peft.
        factors: Of changes that have them already: those are written as they are.

    Raises:
        EditError: If the pipeline is edited, no LoRA can hold the edit (it changes a bias, a norm, a convolution or a
            text embedding), or the form has no name for what it changes.
    """
    family = family_of(pipeline)
    if applied_edit(pipeline) is not None:
        raise EditError("a LoRA is exported for the unedited model; remove the edit from the pipeline first")
    if form == "diffusers" and Capability.LORA not in family.capabilities:
        raise EditError(f"diffusers reads no LoRA into a {type(pipeline).__name__}; export a checkpoint instead")
    modules, factors = editable_modules(pipeline), factors or {}
    changes: dict[tuple[str, str], tuple[torch.Tensor, torch.Tensor]] = {}
    for name, delta in edit.deltas(pipeline).items():
        component, _, inside = name.partition(".")
        module = modules[component].get_submodule(inside.rpartition(".")[0])
        if not (isinstance(module, torch.nn.Linear) and inside.endswith(".weight")):
            raise EditError(f"a LoRA cannot hold a change of {name}; ship the edit's own file, or export a checkpoint")
        up, down = (factors[name].up, factors[name].down) if name in factors else _factored(delta)
        changes[component, inside.removesuffix(".weight")] = up.contiguous(), down.contiguous()
    # One for all layers: of several, diffusers takes the most common one for all whose names it does not follow.
    alpha = max(len(down) for _, down in changes.values())
    tensors: dict[str, torch.Tensor] = {}
    for (component, module_name), (up, down) in changes.items():
        tensors |= _named(family, form, component, module_name, up, down, alpha)
    save_file(tensors, path)


def _factored(delta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Matrices (o, r) and (r, i), float32, whose product a change (o, i) is."""
    up, sizes, down = torch.linalg.svd(delta.double(), full_matrices=False)
    rank = max(1, int((sizes > _NUMERICAL_ZERO * sizes[0]).sum()))
    roots = sizes[:rank].sqrt()
    return (up[:, :rank] * roots).float(), (roots[:, None] * down[:rank]).float()


def _named(
    family: ModelFamily, form: LoraForm, component: str, module: str, up: torch.Tensor, down: torch.Tensor, alpha: int
) -> dict[str, torch.Tensor]:
    """The two factors under the names that the form has for them."""
    if form == "diffusers":
        lower, upper = _diffusers_keys(family, component, module)
        return {lower: down, upper: up}
    if form == "comfyui":
        place = _comfyui_place(family, component, module)
        return {f"{place}.lora_A.weight": down, f"{place}.lora_B.weight": up}
    place = _kohya_place(family, component, module)
    # Read as up @ down * alpha / rank.
    down = (down.float() * (len(down) / alpha)).to(down.dtype)
    return {
        f"{place}.lora_down.weight": down,
        f"{place}.lora_up.weight": up,
        f"{place}.alpha": torch.tensor(float(alpha)),
    }


def _diffusers_keys(family: ModelFamily, component: str, module: str) -> tuple[str, str]:
    """What diffusers calls the two factors; for a text encoder only its older names are read for every layer."""
    if component == family.denoiser_name:
        return f"{component}.{module}.lora_A.weight", f"{component}.{module}.lora_B.weight"
    if family.encoder_kinds().get(component) == "t5xxl":
        raise EditError("diffusers reads no LoRA of a T5 text encoder; export for comfyui, or a checkpoint")
    place = f"{component}.{_with_text_model(module)}.lora_linear_layer"
    return f"{place}.down.weight", f"{place}.up.weight"


def _with_text_model(module: str) -> str:
    """A layer of a CLIP as other programs and older transformers name it; newer ones drop `text_model`."""
    return f"text_model.{module.removeprefix('text_model.')}"


def _kohya_place(family: ModelFamily, component: str, module: str) -> str:
    if component == family.denoiser_name:
        named = module if family.trained_under_own_names else _published(family, module)
        return f"lora_unet_{named}".replace(".", "_")
    kind = _kind(family, component)
    number = "" if len(family.encoder_kinds()) == 1 else _KOHYA_ENCODERS[kind]
    return f"lora_te{number}_{_in_encoder(kind, module)}".replace(".", "_")


def _comfyui_place(family: ModelFamily, component: str, module: str) -> str:
    if component == family.denoiser_name:
        return f"diffusion_model.{_published(family, module)}"
    kind = _kind(family, component)
    return f"text_encoders.{kind}.transformer.{_in_encoder(kind, module)}"


def _in_encoder(kind: str, module: str) -> str:
    return module if kind == "t5xxl" else _with_text_model(module)


def _kind(family: ModelFamily, component: str) -> str:
    kind = family.encoder_kinds().get(component)
    if kind is None:
        raise _unnamed(family, component)
    return kind


def _published(family: ModelFamily, module: str) -> str:
    name = family.published_name(module)
    if name is None:
        raise _unnamed(family, f"{family.denoiser_name}.{module}")
    return name


def _unnamed(family: ModelFamily, what: str) -> EditError:
    return EditError(
        f"the edit changes {what} of a {type(family.pipeline).__name__}, for which other programs' names are not "
        f"known; export it for diffusers, or as a checkpoint"
    )
