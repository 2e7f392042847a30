"""`fast`: distilling a text encoder that gives the target's prompts the conditioning of the anchor's.

What cross-attention takes from a prompt are keys and values, W e for every token embedding e. If those of "a unicorn"
are those of "a horse face", the denoiser draws a horse face, whatever the image and the timestep; so no image has to be
drawn to learn that. A copy of the text encoder is trained until it is so, and until all other prompts have the keys and
values that they had. With S = sum W^T W over the layers, the squared error of keys and values is (e - v)^T S (e - v).

Editing W instead (`closed_form`) is exact and takes no training, but a linear map of d dimensions has no room for many
concepts: each takes directions that other words need. The encoder is not linear, and reads whole prompts.
"""

import copy
import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from twig_assets.ablation.edits.concept_edit import ConceptEdit, EditPart
from twig_assets.ablation.edits.parameters import editable_parameters
from twig_assets.ablation.errors import EditError, TrainingError
from twig_assets.ablation.methods.conditioning_distance import ConditioningDistance
from twig_assets.ablation.methods.distillation_targets import distillation_targets
from twig_assets.ablation.methods.escalation import escalated
from twig_assets.ablation.methods.method import AblationTask, OnStep
from twig_assets.ablation.prompts.retention_prompts import RetentionPrompts
from twig_assets.ablation.training_state import seed_of
from twig_assets.generation import Conditioning, Pipeline, family_of
from twig_assets.generation.family import is_text_encoder
from twig_assets.settings.ablation import AblationSettings, ConceptTarget

_LOG = logging.getLogger(__name__)
_WARMUP = 10
# Changing other prompts by this share of what separates target and anchor is more than a removal.
_MAX_FORGOTTEN = 0.3
# Where a single step changes them by all of it, the rate is too high: training starts again with half of it.
_MAX_ASTRAY = 1.0
_HALVINGS = 12
# The width of the encoder that the default rate was found on.
_WIDTH = 128


class Fast:
    """The method; see the module."""

    def problem(self, pipeline: Pipeline) -> str | None:
        """It trains text encoders; large language models are not trained."""
        if family_of(pipeline).text_encoders():
            return None
        return (
            f"a {type(pipeline).__name__} has no text encoder that can be trained; choose another method than fast, "
            f"such as closed_form"
        )

    def remove_concept(self, task: AblationTask) -> EditPart:
        """Distil, and fine-tune where a memorised picture is drawn all the same."""
        part = EditPart(task.concept, deltas=distil(task.pipeline, [task.concept], task.settings, task.on_step))
        return escalated(task, part) if task.is_copy and task.concept.kind == "memorized" else part

    def compose(self, edit: ConceptEdit, pipeline: Pipeline | None, on_step: OnStep | None) -> ConceptEdit:
        """Distil again for all concepts together, from the start: that takes some seconds, and is seeded.

        Fine-tunings that took the place of a distillation are added to that.
        """
        together = [part.concept for part in edit.parts if _is_distilled(part)]
        if len(together) < 2:
            return edit
        if pipeline is None:
            raise EditError("edits made by the method fast are distilled together; give the unedited pipeline")
        joint = distil(pipeline, together, edit.settings, on_step)
        parts = tuple(EditPart(part.concept) if part.concept in together else part for part in edit.parts)
        return replace(edit, parts=parts, joint=joint)


METHOD = Fast()


def _is_distilled(part: EditPart) -> bool:
    """Whether the part changes text encoders, and is not the fine-tuning of a denoiser."""
    return any(is_text_encoder(name.partition(".")[0]) for name in part.deltas)


def distil(
    pipeline: Pipeline, concepts: Sequence[ConceptTarget], settings: AblationSettings, on_step: OnStep | None = None
) -> dict[str, torch.Tensor]:
    """Train a copy of the text encoders to give every target's prompts the conditioning of its anchor's.

    Args:
        pipeline: The unedited model; it is left as it is.
        concepts: What is removed, all at once.
        settings: `overshoot`, `misspellings`, `seed` and `distillation`.
        on_step: Called with the number of steps done and the loss; from 1 again where training starts again.

    Returns:
        Name of each transformer layer's linear weights -> what training added to it.

    Raises:
        TrainingError: If the model has no text encoder to train, or whatever the rate is, the loss stops being a number
            or the encoder forgets what it should retain.
    """
    distillation = _Distillation(pipeline, concepts, settings)
    rate, why = settings.distillation.learning_rate, ""
    for halvings in range(_HALVINGS + 1):
        try:
            return distillation.trained(rate / 2**halvings, on_step)
        except _AstrayError as error:
            _LOG.info("%s with learning rate %g, so it starts again with half of it", error, rate / 2**halvings)
            why = str(error)
    raise TrainingError(
        f"{why}, also with a learning rate of {rate / 2**_HALVINGS:g}; lower distillation.learning_rate, or take more "
        f"steps"
    )


class _AstrayError(Exception):
    """The encoder loses what it should retain, or the loss is no number: the rate is too high."""


class _Distillation:
    """One training of the text encoders' copies, step by step.

    Errors are in units of what separates target and anchor, concept by concept: a concept that is near its anchor
    counts as much as one that is far, and so do its surroundings. Where the anchor is emphasised, the unit holds that.
    """

    def __init__(self, pipeline: Pipeline, concepts: Sequence[ConceptTarget], settings: AblationSettings):
        self.family, self.settings, self.chosen = family_of(pipeline), settings, settings.distillation
        problem = METHOD.problem(pipeline)
        if problem:
            raise TrainingError(problem)
        self.originals = editable_parameters(pipeline)
        self.steps = self.chosen.steps * len(concepts)
        self.targets = [distillation_targets(pipeline, concept, settings) for concept in concepts]
        self.distance = ConditioningDistance(pipeline)
        self.scales = [target.apart(self.distance) for target in self.targets]
        self.mean_scale = torch.stack(self.scales).mean(0)
        self.retention = RetentionPrompts(pipeline, concepts, settings)
        self._unedited: dict[str, Conditioning] = {}

    def trained(self, rate: float, on_step: OnStep | None) -> dict[str, torch.Tensor]:
        """What a whole training adds, see `deltas`.

        Raises:
            _AstrayError: If the rate is too high.
        """
        self.begin(rate)
        for step in range(self.steps):
            loss = self.train_step(step)
            if on_step:
                on_step(step + 1, loss)
        forgotten = float(np.mean(self.harms[-_WARMUP:]))
        if forgotten > _MAX_FORGOTTEN:
            raise _AstrayError(
                f"other prompts are read differently by {forgotten:.0%} of what separates target and anchor"
            )
        return self.deltas()

    def begin(self, rate: float) -> None:
        """Start from the unedited encoders.

        One step of Adam moves every number of a matrix by the rate, and what the matrix makes of its input by as much
        times its width. So a wider one takes less, in proportion (Yang et al. 2022, arXiv 2203.03466, table 3).

        Args:
            rate: The learning rate at its height, for matrices of the default's width.
        """
        steps = self.steps
        self.students = {name: copy.deepcopy(encoder).float() for name, encoder in self.family.text_encoders().items()}
        self.weights = _trainable(self.students)
        groups: dict[int, list[torch.Tensor]] = {}
        for weight in self.weights.values():
            groups.setdefault(min(weight.shape), []).append(weight)
        self.optimiser = torch.optim.Adam(
            [{"params": group, "lr": rate * min(1.0, _WIDTH / width)} for width, group in groups.items()]
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lambda step: min((step + 1) / _WARMUP, (1 - step / steps) ** 0.5)
        )
        # Error of the prompts to retain, for each step done.
        self.harms: list[float] = []

    def train_step(self, step: int) -> float:
        """One step, counted from 0; returns its loss."""
        rng = np.random.default_rng(seed_of(self.settings.seed, step))
        prompts, wanted, target_scales = self._drawn_targets(rng)
        retained = self.retention.draw(self.chosen.retained, rng)
        retained_scales = [self.mean_scale if kept.concept is None else self.scales[kept.concept] for kept in retained]
        retained_prompts = [kept.prompt for kept in retained]
        before = self._unedited_conditioning(retained_prompts)
        with self.family.replaced(self.students):
            conditioning = self.family.encode([*prompts, *retained_prompts])
        scales = torch.cat([target_scales, torch.stack(retained_scales)])
        errors = self.distance.between(conditioning, Conditioning.joined([wanted, before])) / scales
        removal, harm = errors[: len(prompts)].mean(), errors[len(prompts) :].mean()
        loss = removal + self.chosen.retention * harm
        if not torch.isfinite(loss):
            raise _AstrayError(f"the loss of step {step + 1} is {loss.item()}")
        if harm > _MAX_ASTRAY:
            raise _AstrayError(
                f"step {step + 1} reads other prompts differently by {harm.item():.0%} of what separates target and "
                f"anchor"
            )
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.schedule.step()
        self.harms.append(float(harm.detach()))
        return float(loss.detach())

    def deltas(self) -> dict[str, torch.Tensor]:
        """What training added to each weight, in the model's own number format, on the CPU."""
        return {
            name: (weight.detach() - self.originals[name].float()).to(self.originals[name].dtype).cpu()
            for name, weight in self.weights.items()
        }

    def _drawn_targets(self, rng: np.random.Generator) -> tuple[list[str], Conditioning, torch.Tensor]:
        """A batch of prompts that ask for a target, each concept as often; their wanted conditioning and scales."""
        concepts = [int(rng.integers(len(self.targets))) for _ in range(self.chosen.batch_size)]
        rows = [int(rng.integers(len(self.targets[i].prompts))) for i in concepts]
        places = list(zip(concepts, rows, strict=True))
        return (
            [self.targets[i].prompts[row] for i, row in places],
            Conditioning.joined([self.targets[i].wanted.rows([row]) for i, row in places]),
            torch.stack([self.scales[i] for i in concepts]),
        )

    @torch.no_grad()
    def _unedited_conditioning(self, prompts: Sequence[str]) -> Conditioning:
        """The unedited encoders' conditioning; that of prompts which are drawn again and again is kept."""
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._unedited]
        encoded = self.family.encode(new) if new else None
        fresh = {prompt: encoded.rows([i]) for i, prompt in enumerate(new)} if encoded else {}
        self._unedited |= {prompt: row for prompt, row in fresh.items() if prompt in self.retention.listed}
        known = fresh | self._unedited
        return Conditioning.joined([known[prompt] for prompt in prompts])


def _trainable(students: dict[str, torch.nn.Module]) -> dict[str, torch.Tensor]:
    """The linear weights of all numbered layers, by name; nothing else of the students takes gradients."""
    weights = {
        f"{component}.{name}.weight": module.weight
        for component, student in students.items()
        for name, module in student.named_modules()
        if isinstance(module, torch.nn.Linear) and any(part.isdigit() for part in name.split("."))
    }
    for student in students.values():
        student.requires_grad_(False)
    for weight in weights.values():
        weight.requires_grad_(True)
    return weights
