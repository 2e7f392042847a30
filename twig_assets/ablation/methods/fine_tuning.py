"""Fine-tuning a concept away (Kumari et al. 2023, arXiv 2303.13516): what `model_based` and `noise_based` share.

They differ in what the model is to predict for the target's captions, which is their objective.

What is trained is a copy in float32 of a model's weights, whatever the model computes in: AdamW's epsilon is 0 in
float16, so such weights become NaN, and most steps are too small to move a weight in bfloat16 at all. The copies are
rounded to the model's own number format where the model reads them (mixed precision, Micikevicius et al. 2018, arXiv
1710.03740, sections 3.1 and 3.2).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from diffusers import DDPMScheduler

from twig_assets.ablation.edits.concept_edit import ConceptEdit, EditPart
from twig_assets.ablation.errors import AnchorError, TrainingError
from twig_assets.ablation.methods.anchor_images import kept_anchor_latents
from twig_assets.ablation.methods.method import AblationTask, OnStep
from twig_assets.ablation.methods.trained_parameters import TokenRows, first_token_detached, predict, trainable
from twig_assets.ablation.prompts.anchors import CaptionPair, anchor_captions, caption_pairs, paraphrased
from twig_assets.ablation.training_state import TrainingState, identity_of, seed_of
from twig_assets.generation import Conditioning, Pipeline, family_of
from twig_assets.generation.schedulers import is_flow
from twig_assets.settings.ablation import AblationSettings, ConceptTarget

_STATE = "training.safetensors"
_ANCHORS = "anchors.safetensors"
# What a loss is multiplied by where gradients pass through float16, whose smallest number is 6e-8.
_LOSS_SCALE = 2.0**16
_TUNABLE = ("epsilon", "v_prediction")


@dataclass(frozen=True)
class Batch:
    """What one training step sees.

    Attributes:
        clean: x_0, (n, C, h, w).
        noise: Standard normal, (n, C, h, w).
        timesteps: (n,), each 0 to the number of training timesteps - 1.
        noisy: x_t, (n, C, h, w).
        pairs: n captions of the anchor and of the target.
    """

    clean: torch.Tensor
    noise: torch.Tensor
    timesteps: torch.Tensor
    noisy: torch.Tensor
    pairs: Sequence[CaptionPair]


def predicted_kind(pipeline: Pipeline) -> str | None:
    """What a model's denoiser predicts, in diffusers' words; `flow_prediction` for a flow."""
    schedule = family_of(pipeline).noise_schedule
    return "flow_prediction" if is_flow(schedule) else schedule.config.get("prediction_type")


def why_not_tuned(pipeline: Pipeline) -> str | None:
    """Why the fine-tuning methods do not know what this kind of model predicts; None if they do."""
    kind = predicted_kind(pipeline)
    if kind in _TUNABLE:
        return None
    return (
        f"a model that predicts {kind!r} cannot be fine-tuned; use a model that predicts epsilon or v_prediction, or "
        f"another method, such as closed_form"
    )


class Diffusion:
    """The forward process of a checkpoint, and what its denoiser is to predict.

    Args:
        pipeline: Whose noise schedule and kind of prediction.

    Raises:
        TrainingError: If the model predicts something else than the noise or the velocity.
    """

    def __init__(self, pipeline: Pipeline):
        config = family_of(pipeline).noise_schedule.config
        self.kind = predicted_kind(pipeline)
        problem = why_not_tuned(pipeline)
        if problem:
            raise TrainingError(problem)
        self.scheduler: Any = DDPMScheduler.from_config(config)
        self.steps: int = self.scheduler.config.num_train_timesteps

    def batch(
        self, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor, pairs: Sequence[CaptionPair]
    ) -> Batch:
        """The batch with the noise added: x_t of x_0."""
        return Batch(clean, noise, timesteps, self.scheduler.add_noise(clean, noise, timesteps), pairs)

    def truth(self, batch: Batch) -> torch.Tensor:
        """What a perfect denoiser would predict, (n, C, h, w): the noise or the velocity (Salimans and Ho 2022).

        The reference code's regulariser takes the noise for both, which teaches a velocity model nonsense.
        """
        if self.kind == "epsilon":
            return batch.noise
        return self.scheduler.get_velocity(batch.clean, batch.noise, batch.timesteps)


def squared_error(prediction: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean squared difference as a scalar, in float32; no gradient flows into what is wanted (the paper's sg)."""
    return torch.nn.functional.mse_loss(prediction.float(), wanted.detach().float())


class Tuner:
    """One fine-tuning, step by step.

    A step whose gradients overflow float16 is computed again with its loss scaled half as high.

    Args:
        pipeline: The unedited model; its own weights are never written to.
        concept: What is removed.
        settings: `tuning` says what is trained, and how.
        objective: What the model is to predict for the target's captions.
        clean: x_0, (n, C, h, w): images of the anchor.
        pairs: n caption pairs.
        base_sha256: The model's fingerprint; a state goes on with its own model only.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        concept: ConceptTarget,
        settings: AblationSettings,
        objective: "Objective",
        clean: torch.Tensor,
        pairs: Sequence[CaptionPair],
        base_sha256: str = "",
    ):
        self.pipeline, self.settings, self.tuning, self.objective = pipeline, settings, settings.tuning, objective
        self.diffusion = Diffusion(pipeline)
        self.clean, self.pairs, self.step = clean.float(), pairs, 0
        self.losses: list[float] = []
        self.originals = trainable(pipeline, self.tuning.parameters)
        self.rows = TokenRows(pipeline, concept) if self.tuning.parameters == "embedding" else None
        start = self.rows.deltas if self.rows else self.originals
        self.values = {name: value.detach().float().clone().requires_grad_() for name, value in start.items()}
        self.scale = _LOSS_SCALE if family_of(pipeline).dtype == torch.float16 else 1.0
        self.optimiser = torch.optim.AdamW(list(self.values.values()), lr=self.tuning.learning_rate, weight_decay=0.01)
        self._encoded: dict[str, Conditioning] = {}
        self.identity = identity_of(concept, settings, base_sha256)

    def train_step(self) -> float:
        """One step; returns its loss.

        Raises:
            TrainingError: If the loss or a gradient is not a number; the values are then those of the step before.
        """
        loss = self._backward()
        torch.nn.utils.clip_grad_norm_(list(self.values.values()), 1.0)
        self.optimiser.step()
        self.step += 1
        self.losses.append(loss)
        return loss

    def _backward(self) -> float:
        """Put the step's gradients, as they are without scaling, on the values; returns the loss."""
        while True:
            loss = self.loss(torch.Generator().manual_seed(seed_of(self.settings.seed, self.step)))
            if not torch.isfinite(loss):
                raise TrainingError(f"the loss of step {self.step + 1} is {loss.item()}; lower tuning.learning_rate")
            self.optimiser.zero_grad()
            (loss * self.scale).backward()
            gradients = [value.grad for value in self.values.values() if value.grad is not None]
            if all(torch.isfinite(gradient).all() for gradient in gradients):
                for gradient in gradients:
                    gradient.div_(self.scale)
                return float(loss.detach())
            if self.scale <= 1:
                raise TrainingError(
                    f"a gradient of step {self.step + 1} is not finite; lower tuning.learning_rate, or open the model "
                    f"in bfloat16 or float32"
                )
            self.scale /= 2

    def loss(self, generator: torch.Generator) -> torch.Tensor:
        """The step's objective and its regulariser, a scalar."""
        batch = self._draw(generator)
        with first_token_detached(self.pipeline):
            student = self.predict(batch, [pair.target for pair in batch.pairs])
            loss = squared_error(student, self.objective(self, batch))
            if self.tuning.prior_weight:
                batch = self._draw(generator)
                kept = self.predict(batch, [pair.anchor for pair in batch.pairs])
                loss = loss + self.tuning.prior_weight * squared_error(kept, self.diffusion.truth(batch))
        return loss

    def predict(self, batch: Batch, captions: Sequence[str]) -> torch.Tensor:
        """The prediction of the model as trained so far, (n, C, h, w), for n captions."""
        return predict(self.pipeline, self.values, batch.noisy, batch.timesteps, self._conditioning(captions))

    def deltas(self) -> dict[str, torch.Tensor]:
        """What training added to each parameter, in the parameter's shape and the model's own number format."""
        if self.rows:
            return self.rows.tables(self.values)
        return {
            name: (value.detach() - self.originals[name].detach().float()).to(self.originals[name].dtype)
            for name, value in self.values.items()
        }

    def state(self) -> TrainingState:
        """Everything that going on needs."""
        moments = {}
        for name, value in self.values.items():
            kept = self.optimiser.state.get(value)
            if kept:
                moments[name] = (kept["exp_avg"], kept["exp_avg_sq"])
        return TrainingState(self.step, self.values, moments, self.identity, self.losses, self.scale)

    def resume(self, state: TrainingState) -> None:
        """Go on from a state."""
        self.step, self.losses, self.scale = state.step, list(state.losses), min(self.scale, state.scale)
        for name, value in self.values.items():
            with torch.no_grad():
                value.copy_(state.values[name])
            if name in state.moments:
                first, second = state.moments[name]
                count = torch.tensor(float(state.step))
                self.optimiser.state[value] = {
                    "step": count,
                    "exp_avg": first.to(value),
                    "exp_avg_sq": second.to(value),
                }

    def _draw(self, generator: torch.Generator) -> Batch:
        chosen = torch.randint(len(self.clean), (self.tuning.batch_size,), generator=generator)
        clean = self.clean[chosen.to(self.clean.device)]
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        timesteps = torch.randint(self.diffusion.steps, (len(clean),), generator=generator).to(clean.device)
        return self.diffusion.batch(clean, noise, timesteps, [self.pairs[i] for i in chosen.tolist()])

    def _conditioning(self, captions: Sequence[str]) -> Conditioning:
        family = family_of(self.pipeline)
        if self.rows:
            with self.rows.added(self.values):
                return family.encode(captions)
        new = [caption for caption in dict.fromkeys(captions) if caption not in self._encoded]
        if new:
            with torch.no_grad():
                encoded = family.encode(new)
            self._encoded |= {caption: encoded.rows([i]) for i, caption in enumerate(new)}
        return Conditioning.joined([self._encoded[caption] for caption in captions])


# Tuner and batch -> what the model is to predict for the target's captions, (n, C, h, w).
Objective: TypeAlias = Callable[[Tuner, Batch], torch.Tensor]


class FineTuning:
    """A method that fine-tunes.

    Args:
        objective: What the model is to predict for the target's captions.
    """

    def __init__(self, objective: Objective):
        self.objective = objective

    def problem(self, pipeline: Pipeline) -> str | None:
        """See `AblationMethod`."""
        return why_not_tuned(pipeline)

    def remove_concept(self, task: AblationTask) -> EditPart:
        """Sample images of the anchor and train on them; see `tune`."""
        return EditPart(task.concept, deltas=tune(task, self.objective))

    def compose(self, edit: ConceptEdit, pipeline: Pipeline | None, on_step: OnStep | None) -> ConceptEdit:
        """Nothing is left to do: the deltas of all parts are added up, which is not exact."""
        return edit


def tune(task: AblationTask, objective: Objective) -> dict[str, torch.Tensor]:
    """Sample images of the anchor, train, and return what training added to each parameter.

    Of a training that goes on, `on_step` is called first for the steps that the folder holds already.

    Args:
        task: What is removed, from which model, and how.
        objective: What the model is to predict for the target's captions.

    Raises:
        AnchorError: If captions or images of the anchor are of no use.
        TrainingError: If the loss stops being a number; the state of the last good step is then in the folder.
    """
    tuner = _started(task, objective)
    path = task.folder / _STATE if task.folder else None
    state = TrainingState.load(path, tuner.identity) if path else None
    if state:
        tuner.resume(state)
        for step, loss in enumerate(tuner.losses, 1):
            if task.on_step:
                task.on_step(step, loss)
    while tuner.step < tuner.tuning.steps:
        try:
            loss = tuner.train_step()
        except TrainingError as error:
            if path is None:
                raise
            tuner.state().save(path)
            raise TrainingError(f"{error}; the state after step {tuner.step} is in {path}") from error
        if task.on_step:
            task.on_step(tuner.step, loss)
        if path and (tuner.step % tuner.tuning.checkpoint_every == 0 or tuner.step == tuner.tuning.steps):
            tuner.state().save(path)
    return tuner.deltas()


def _started(task: AblationTask, objective: Objective) -> Tuner:
    """A training at its first step, with its captions and images."""
    concept, settings = task.concept, task.settings
    Diffusion(task.pipeline)  # refuses what cannot be fine-tuned before images are drawn
    if paraphrased(concept, settings) and task.is_copy is None:
        raise AnchorError(
            f"concept {concept.name!r}: paraphrases can be anchors only where `is_copy` says which of them reproduce "
            f"the picture; give it, or let memorized_anchors be `anchor`"
        )
    captions = anchor_captions(concept, settings)
    wanted = [captions[i % len(captions)] for i in range(settings.tuning.anchor_images)]
    pairs = caption_pairs(wanted, concept, settings, settings.seed)
    clean, kept = kept_anchor_latents(
        task.pipeline,
        [pair.anchor for pair in pairs],
        settings.seed,
        task.is_copy,
        task.folder / _ANCHORS if task.folder else None,
        identity_of(concept, settings, task.base_sha256),
    )
    if len(kept) < len(pairs):
        pairs = caption_pairs(kept, concept, settings, settings.seed)
    return Tuner(task.pipeline, concept, settings, objective, clean, pairs, task.base_sha256)
