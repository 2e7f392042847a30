"""The parameters of a pipeline that an edit may change, by name: the component, a dot and its own name."""

import torch

from twig_assets.generation import Pipeline, family_of


def text_entry_weights(pipeline: Pipeline) -> dict[str, torch.nn.Parameter]:
    """The weights (out, d) of the linear layers through which token embeddings enter the denoiser, by name."""
    return {
        f"{name}.weight": layer.get_parameter("weight") for name, layer in family_of(pipeline).text_entries().items()
    }


def pooled_entry_weights(pipeline: Pipeline) -> dict[str, torch.nn.Parameter]:
    """The weights (out, e + ...) of the layers through which the pooled embedding enters, in their first columns."""
    return {
        f"{name}.weight": layer.get_parameter("weight") for name, layer in family_of(pipeline).pooled_entries().items()
    }


def editable_modules(pipeline: Pipeline) -> dict[str, torch.nn.Module]:
    """The components whose parameters an edit may change, by name: the denoiser and the text encoders."""
    family = family_of(pipeline)
    return {family.denoiser_name: family.denoiser} | family.text_encoders()


def editable_parameters(pipeline: Pipeline) -> dict[str, torch.nn.Parameter]:
    """All parameters of these components, by name."""
    return {
        f"{component}.{name}": parameter
        for component, module in editable_modules(pipeline).items()
        for name, parameter in module.named_parameters()
    }
