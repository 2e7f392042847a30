"""`fast`: a text encoder that reads the target as its anchor.

What cross-attention takes from a prompt are keys and values, W e for every token embedding e. If those of "a unicorn"
are those of "a horse face", the UNet draws a horse face, whatever the image and the timestep; so no image has to be
drawn to learn that. A copy of the text encoder is trained until it is so, and until all other prompts have the keys and
values that they had. With S = sum W^T W over the layers, the squared error of keys and values is (e - v)^T S (e - v).

Editing W instead (`closed_form`) is exact and takes no training, but a linear map of d dimensions has no room for many
concepts: each takes directions that other words need. The encoder is not linear, and reads whole prompts.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from twig_assets.ablation.edits.concept_edit import cross_attention_weights, editable_parameters
from twig_assets.ablation.errors import TrainingError
from twig_assets.ablation.methods.distillation_targets import Readings, readings
from twig_assets.ablation.methods.parameters import text_encoders
from twig_assets.ablation.methods.retention_prompts import Retention
from twig_assets.ablation.methods.seeds import seed_of
from twig_assets.ablation.methods.tune import OnStep
from twig_assets.generation import Pipeline
from twig_assets.generation.conditioning import Conditions, conditions, joined
from twig_assets.settings.ablation import AblationSettings, ConceptTarget

_WARMUP = 10
# Reading other prompts differently by so large a share of what separates target and anchor is no removal any more.
_MAX_FORGOTTEN = 0.3


def distil(
    pipeline: Pipeline, concepts: Sequence[ConceptTarget], settings: AblationSettings, on_step: OnStep | None = None
) -> dict[str, torch.Tensor]:
    """Train a copy of the text encoders to read every target as its anchor.

    Errors are in units of what separates target and anchor, concept by concept: a concept that is near its anchor
    counts as much as one that is far, and so do its surroundings. Where the anchor is emphasised, the unit holds that.

    Args:
        pipeline: The unedited model; it is left as it is.
        concepts: What is removed, all at once.
        settings: `overshoot`, `misspellings`, `seed` and `distillation`.
        on_step: Called with the number of steps done and the loss.

    Returns:
        Name of each transformer layer's linear weights -> what training added to it, float32.

    Raises:
        TrainingError: If the loss stops being a number, or the encoder forgets what it should retain.
    """
    chosen = settings.distillation
    wanted = [readings(pipeline, concept, settings) for concept in concepts]
    ruler = Ruler(pipeline)
    scales = [ruler.error(one.own, one.wanted).mean(0) / (1 + settings.overshoot) ** 2 for one in wanted]
    usual = torch.stack(scales).mean(0)
    retention = Retention(pipeline, concepts, settings)
    students = {name: copy.deepcopy(encoder).float() for name, encoder in text_encoders(pipeline).items()}
    weights = _trainable(students)
    steps = chosen.steps * len(concepts)
    optimiser = torch.optim.Adam(weights.values(), lr=chosen.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: min((s + 1) / _WARMUP, (1 - s / steps) ** 0.5))
    forgotten: list[float] = []
    known: dict[str, Conditions] = {}
    for step in range(steps):
        rng = np.random.default_rng(seed_of(settings.seed, step))
        asked, own, per_target = _drawn(wanted, scales, chosen.batch_size, rng)
        kept = retention.draw(chosen.batch_size, rng)
        per_kept = torch.stack([usual if one.concept is None else scales[one.concept] for one in kept])
        before = _read_before(pipeline, [one.prompt for one in kept], retention.listed, known)
        with _in_place_of(pipeline, students):
            got = conditions(pipeline, [*asked, *(one.prompt for one in kept)])
        errors = ruler.error(got, joined([own, before])) / torch.cat([per_target, per_kept])
        removal, harm = errors[: len(asked)].mean(), errors[len(asked) :].mean()
        loss = removal + chosen.retention * harm
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss of step {step + 1} is {loss.item()}; lower distillation.learning_rate")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        forgotten.append(float(harm.detach()))
        if on_step:
            on_step(step + 1, float(loss.detach()))
    share = float(np.mean(forgotten[-_WARMUP:]))
    if share > _MAX_FORGOTTEN:
        raise TrainingError(
            f"other prompts are read differently by {share:.0%} of what separates target and anchor; lower "
            f"distillation.learning_rate, or take more steps"
        )
    known_weights = editable_parameters(pipeline)
    return {name: (weight.detach() - known_weights[name].float()).cpu() for name, weight in weights.items()}


class Ruler:
    """Measures how differently a UNet is conditioned.

    Args:
        pipeline: Whose cross-attention.
    """

    def __init__(self, pipeline: Pipeline):
        weights = [weight.detach().double() for weight in cross_attention_weights(pipeline).values()]
        energies, directions = torch.linalg.eigh(torch.stack([w.T @ w for w in weights]).mean(0))
        self.root = (directions * energies.clamp(min=0).sqrt()).float()

    def error(self, got: Conditions, wanted: Conditions) -> torch.Tensor:
        """Squared differences of n prompts, (n, 1): of keys and values, averaged over tokens and layers.

        For XL (n, 2): of the pooled text embedding as well.
        """
        columns = [((got.embeddings - wanted.embeddings).float() @ self.root).pow(2).sum(-1).mean(-1)]
        if "text_embeds" in got.added:
            columns.append((got.added["text_embeds"] - wanted.added["text_embeds"]).float().pow(2).sum(-1))
        return torch.stack(columns, dim=1)


def _trainable(students: dict[str, torch.nn.Module]) -> dict[str, torch.Tensor]:
    """The linear weights of all transformer layers, by name; nothing else of the students takes gradients."""
    weights = {
        f"{component}.{name}.weight": module.weight
        for component, student in students.items()
        for name, module in student.named_modules()
        if isinstance(module, torch.nn.Linear) and ".layers." in name
    }
    for student in students.values():
        student.requires_grad_(False)
    for weight in weights.values():
        weight.requires_grad_(True)
    return weights


def _drawn(
    wanted: Sequence[Readings], scales: Sequence[torch.Tensor], count: int, rng: np.random.Generator
) -> tuple[list[str], Conditions, torch.Tensor]:
    """So many prompts that ask for a target, each concept as often; what they are to be read as, and their scales."""
    concepts = [int(rng.integers(len(wanted))) for _ in range(count)]
    rows = [int(rng.integers(len(wanted[i].prompts))) for i in concepts]
    places = list(zip(concepts, rows, strict=True))
    return (
        [wanted[i].prompts[row] for i, row in places],
        joined([wanted[i].wanted.rows([row]) for i, row in places]),
        torch.stack([scales[i] for i in concepts]),
    )


@torch.no_grad()
def _read_before(
    pipeline: Pipeline, prompts: Sequence[str], listed: frozenset[str], known: dict[str, Conditions]
) -> Conditions:
    """How the unedited encoder reads prompts; of those that are listed, and so come again, it is kept."""
    new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in known]
    read = conditions(pipeline, new) if new else None
    found = {prompt: read.rows([i]) for i, prompt in enumerate(new)} if read else {}
    known |= {prompt: one for prompt, one in found.items() if prompt in listed}
    return joined([known[prompt] if prompt in known else found[prompt] for prompt in prompts])


@contextmanager
def _in_place_of(pipeline: Pipeline, students: dict[str, torch.nn.Module]) -> Iterator[None]:
    originals = text_encoders(pipeline)
    try:
        for name, student in students.items():
            setattr(pipeline, name, student)
        yield
    finally:
        for name, original in originals.items():
            setattr(pipeline, name, original)
