"""Which parameters of a model are trained, and running the model with other values in their place."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from twig_assets.ablation.edits.parameters import text_entry_weights
from twig_assets.ablation.errors import TrainingError
from twig_assets.generation import Conditioning, Pipeline, family_of
from twig_assets.settings.ablation import ConceptTarget, ParameterGroup

_ATTENTION = (".to_q.", ".to_k.", ".to_v.", ".to_out.")


def trainable(pipeline: Pipeline, group: ParameterGroup) -> dict[str, torch.nn.Parameter]:
    """The parameters of a group, by name with the component in front.

    `embedding` is the whole table of every text encoder; see `TokenRows` for the rows that are trained.
    """
    if group == "cross_attention":
        return text_entry_weights(pipeline)
    if group == "embedding":
        return {
            f"{component}.{name}": parameter
            for component, encoder in family_of(pipeline).text_encoders().items()
            for name, parameter in encoder.named_parameters()
            if parameter is _token_embedding(encoder)
        }
    family = family_of(pipeline)
    return {
        f"{family.denoiser_name}.{name}": parameter
        for name, parameter in family.denoiser.named_parameters()
        if group == "full" or any(part in f".{name}" for part in _ATTENTION)
    }


def _token_embedding(encoder: Any) -> torch.Tensor:
    """The table of token embeddings of a text encoder of transformers."""
    table: torch.Tensor = encoder.get_input_embeddings().weight
    return table


def predict(
    pipeline: Pipeline,
    values: Mapping[str, torch.Tensor],
    latents: torch.Tensor,
    timesteps: torch.Tensor,
    conditioning: Conditioning,
) -> torch.Tensor:
    """The denoiser's prediction with some of its parameters replaced; the module itself is not changed.

    The model computes in its own number format; gradients flow back through the rounding to the values as given.

    Args:
        pipeline: The unedited model.
        values: Parameter name -> value; those of other components than the denoiser are passed over.
        latents: (n, C, h, w).
        timesteps: (n,).
        conditioning: Of n prompts.

    Returns:
        (n, C, h, w).
    """
    family = family_of(pipeline)
    prefix = f"{family.denoiser_name}."
    inside = {
        name.removeprefix(prefix): value.to(family.denoiser.get_parameter(name.removeprefix(prefix)).dtype)
        for name, value in values.items()
        if name.startswith(prefix)
    }
    return family.predict(latents.to(family.dtype), timesteps, conditioning, parameters=inside)


@contextmanager
def first_token_detached(pipeline: Pipeline) -> Iterator[None]:
    """While the block runs, the text entries get no gradient through the first token, which all prompts share.

    The reference code does so, since changing how the start token is read changes every prompt.
    """

    def detach_first(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return torch.cat([output[:, :1].detach(), output[:, 1:]], dim=1)

    entries = family_of(pipeline).text_entries().values()
    hooks = [layer.register_forward_hook(detach_first) for layer in entries]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class TokenRows:
    """Training some rows of the text encoders' embedding tables: those of the target's own tokens.

    Args:
        pipeline: The unedited model.
        concept: What is removed; the rows are those of the target's tokens that its anchor does not have.

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
        family = family_of(pipeline)
        tokenizers, self._encoders = family.tokenizers(), family.text_encoders()
        self._tables = trainable(pipeline, "embedding")
        self.ids: dict[str, torch.Tensor] = {}
        self.deltas: dict[str, torch.Tensor] = {}
        for name, table in self._tables.items():
            tokenizer = tokenizers[name.partition(".")[0]]
            target, anchor = (tokenizer(text).input_ids for text in (concept.target, concept.anchor))
            rows = sorted(set(target) - set(anchor) - set(tokenizer.all_special_ids))
            if not rows:
                raise TrainingError(f"concept {concept.name!r}: the target has no token that its anchor lacks")
            self.ids[name] = torch.tensor(rows, device=table.device)
            self.deltas[name] = torch.zeros(len(rows), table.shape[1], dtype=table.dtype, device=table.device)

    @contextmanager
    def added(self, values: Mapping[str, torch.Tensor]) -> Iterator[None]:
        """While the block runs, the text encoders read their tables with the values added to the rows."""

        def hook_for(name: str) -> Any:
            def add(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
                added = values[name].to(output.dtype)
                return output + (inputs[0][..., None] == self.ids[name]).to(output) @ added

            return add

        with ExitStack() as stack:
            for name in self._tables:
                component, _, inside = name.partition(".")
                module = self._encoders[component].get_submodule(inside.rpartition(".")[0])
                stack.callback(module.register_forward_hook(hook_for(name)).remove)
            yield

    def tables(self, values: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """What is added to each whole table, in its own number format: zero but for the trained rows."""
        tables = {}
        for name, table in self._tables.items():
            tables[name] = torch.zeros(table.shape, dtype=table.dtype)
            tables[name][self.ids[name].cpu()] = values[name].detach().cpu().to(table.dtype)
        return tables
