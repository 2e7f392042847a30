"""Training only the input embeddings of the target's own tokens."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from twig_assets.ablation.errors import TrainingError
from twig_assets.ablation.methods.parameters import trainable
from twig_assets.generation import Pipeline
from twig_assets.settings.ablation import ConceptTarget


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
