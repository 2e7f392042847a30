"""Which parameters of a model are trained, and running the model with other values in their place."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.func import functional_call

from twig_assets.ablation.edits.parameters import cross_attention_weights
from twig_assets.ablation.errors import TrainingError
from twig_assets.generation import Pipeline
from twig_assets.generation.conditioning import Conditions
from twig_assets.settings.ablation import ConceptTarget, ParameterGroup

_ATTENTION = (".to_q.", ".to_k.", ".to_v.", ".to_out.")


def trainable(pipeline: Pipeline, group: ParameterGroup) -> dict[str, torch.nn.Parameter]:
    """The parameters of a group, by name with the component in front.

    `embedding` is the whole table of every text encoder; see `TokenRows` for the rows that are trained.
    """
    if group == "cross_attention":
        return cross_attention_weights(pipeline)
    if group == "embedding":
        return {
            f"{component}.{name}": parameter
            for component, encoder in text_encoders(pipeline).items()
            for name, parameter in encoder.named_parameters()
            if name.endswith("token_embedding.weight")
        }
    named = pipeline.unet.named_parameters()
    return {f"unet.{n}": p for n, p in named if group == "full" or any(part in f".{n}" for part in _ATTENTION)}


def text_encoders(pipeline: Pipeline) -> dict[str, torch.nn.Module]:
    """The text encoders that the pipeline has, by the component's name."""
    found = {name: getattr(pipeline, name, None) for name in ("text_encoder", "text_encoder_2")}
    return {name: encoder for name, encoder in found.items() if encoder is not None}


def predict(
    pipeline: Pipeline,
    values: Mapping[str, torch.Tensor],
    latents: torch.Tensor,
    timesteps: torch.Tensor,
    asked: Conditions,
) -> torch.Tensor:
    """The UNet's prediction with some of its parameters replaced; the module itself is not changed.

    Args:
        pipeline: The unedited model.
        values: `unet.…` name -> value; names of other components are passed over.
        latents: (n, C, h, w).
        timesteps: (n,).
        asked: Text conditions of n prompts.
    """
    inside = {name.removeprefix("unet."): value for name, value in values.items() if name.startswith("unet.")}
    arguments: dict[str, Any] = asked.keywords()
    return functional_call(pipeline.unet, inside, (latents, timesteps), arguments).sample


@contextmanager
def first_token_detached(pipeline: Pipeline) -> Iterator[None]:
    """No gradient reaches keys and values through the first token, which is the same for every prompt.

    The reference code does so, since changing how the start token is read changes every prompt.
    """

    def detach_first(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return torch.cat([output[:, :1].detach(), output[:, 1:]], dim=1)

    names = [name.removeprefix("unet.").rpartition(".")[0] for name in cross_attention_weights(pipeline)]
    hooks = [pipeline.unet.get_submodule(name).register_forward_hook(detach_first) for name in names]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class TokenRows:
    """Changes of some rows of the text encoders' embedding tables.

    Args:
        pipeline: Whose text encoders.
        concept: The rows are those of the target's tokens that its anchor does not have.

    Attributes:
        deltas: Table name -> zeros (rows, d): what is added to the rows, before training.

    Raises:
        TrainingError: If the target is a memorised caption: its words are ordinary ones.
    """

    def __init__(self, pipeline: Pipeline, concept: ConceptTarget):
        if concept.kind == "memorized":
            raise TrainingError(
                f"concept {concept.name!r}: a memorised caption is made of ordinary words, whose embeddings must stay; "
                f"train other parameters"
            )
        self.pipeline = pipeline
        self.tables_of = trainable(pipeline, "embedding")
        self.ids: dict[str, torch.Tensor] = {}
        self.deltas: dict[str, torch.Tensor] = {}
        for name, table in self.tables_of.items():
            second = name.startswith("text_encoder_2.")
            tokenizer = pipeline.tokenizer_2 if second else pipeline.tokenizer
            target, anchor = (tokenizer(text).input_ids for text in (concept.target, concept.anchor))
            rows = sorted(set(target) - set(anchor) - set(tokenizer.all_special_ids))
            if not rows:
                raise TrainingError(f"concept {concept.name!r}: the target has no token that its anchor lacks")
            self.ids[name] = torch.tensor(rows, device=table.device)
            self.deltas[name] = torch.zeros(len(rows), table.shape[1], dtype=table.dtype, device=table.device)

    @contextmanager
    def added(self, values: Mapping[str, torch.Tensor]) -> Iterator[None]:
        """Within, the text encoders read their tables with the values added to the rows."""

        def hook_for(name: str) -> Any:
            def add(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
                return output + (inputs[0][..., None] == self.ids[name]).to(output) @ values[name]

            return add

        with ExitStack() as stack:
            for name in self.tables_of:
                component, _, inside = name.partition(".")
                module = getattr(self.pipeline, component).get_submodule(inside.rpartition(".")[0])
                stack.callback(module.register_forward_hook(hook_for(name)).remove)
            yield

    def tables(self, values: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """What is added to each whole table: float32, zero but for the trained rows."""
        found = {}
        for name, table in self.tables_of.items():
            found[name] = torch.zeros(table.shape, dtype=torch.float32)
            found[name][self.ids[name].cpu()] = values[name].detach().float().cpu()
        return found
