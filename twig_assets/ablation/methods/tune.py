"""Fine-tuning a concept away: `model_based` and `noise_based` (Kumari et al. 2023, arXiv 2303.13516)."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from twig_assets.ablation.errors import AnchorError, TrainingError
from twig_assets.ablation.methods.anchor_images import IsCopy, kept_anchor_latents
from twig_assets.ablation.methods.losses import Diffusion, squared_error
from twig_assets.ablation.methods.parameters import first_token_detached, predict, trainable
from twig_assets.ablation.methods.seeds import seed_of
from twig_assets.ablation.methods.token_rows import TokenRows
from twig_assets.ablation.methods.training_state import TrainingState, identity_of
from twig_assets.ablation.prompts.anchors import CaptionPair, anchor_captions, caption_pairs, paraphrased
from twig_assets.generation import Pipeline
from twig_assets.generation.conditioning import Conditions, conditions, joined
from twig_assets.settings.ablation import AblationSettings, ConceptTarget

_STATE = "training.safetensors"
_ANCHORS = "anchors.safetensors"
OnStep = Callable[[int, float], None]


class Tuner:
    """One fine-tuning, step by step.

    Args:
        pipeline: The unedited model; its own weights are never written to.
        concept: What is removed.
        settings: `method` must be `model_based` or `noise_based`.
        clean: x_0, (n, C, h, w): images of the anchor.
        pairs: n caption pairs.
        base_sha256: The model's fingerprint; a state goes on with its own model only.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        concept: ConceptTarget,
        settings: AblationSettings,
        clean: torch.Tensor,
        pairs: Sequence[CaptionPair],
        base_sha256: str = "",
    ):
        self.pipeline, self.settings, self.tuning = pipeline, settings, settings.tuning
        self.diffusion = Diffusion(pipeline)
        self.clean, self.pairs, self.step = clean, pairs, 0
        self.losses: list[float] = []
        self.originals = trainable(pipeline, self.tuning.parameters)
        self.rows = TokenRows(pipeline, concept) if self.tuning.parameters == "embedding" else None
        start = self.rows.deltas if self.rows else self.originals
        self.values = {name: value.detach().clone().requires_grad_() for name, value in start.items()}
        self.optimiser = torch.optim.AdamW(list(self.values.values()), lr=self.tuning.learning_rate, weight_decay=0.01)
        self._encoded: dict[str, Conditions] = {}
        self.identity = identity_of(concept, settings, base_sha256)

    def train_step(self) -> float:
        """One step; returns its loss.

        Raises:
            TrainingError: If the loss is not a number; the values are then those of the step before.
        """
        loss = self.loss(torch.Generator().manual_seed(seed_of(self.settings.seed, self.step)))
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss of step {self.step + 1} is {loss.item()}; lower tuning.learning_rate")
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.values.values()), 1.0)
        self.optimiser.step()
        self.step += 1
        self.losses.append(float(loss.detach()))
        return self.losses[-1]

    def loss(self, generator: torch.Generator) -> torch.Tensor:
        """The step's objective and its regulariser, a scalar."""
        clean, noise, timesteps, pairs = self._draw(generator)
        noisy = self.diffusion.noisy(clean, noise, timesteps)
        with first_token_detached(self.pipeline):
            student = predict(self.pipeline, self.values, noisy, timesteps, self._asked([p.target for p in pairs]))
            if self.settings.method == "model_based":
                with torch.no_grad():
                    own = self._asked([p.anchor for p in pairs])
                    wanted = predict(self.pipeline, self.values, noisy, timesteps, own)
            else:
                wanted = self.diffusion.truth(clean, noise, timesteps)
            loss = squared_error(student, wanted)
            if self.tuning.prior_weight:
                clean, noise, timesteps, pairs = self._draw(generator)
                noisy = self.diffusion.noisy(clean, noise, timesteps)
                own = self._asked([p.anchor for p in pairs])
                kept = predict(self.pipeline, self.values, noisy, timesteps, own)
                loss = loss + self.tuning.prior_weight * squared_error(
                    kept, self.diffusion.truth(clean, noise, timesteps)
                )
        return loss

    def deltas(self) -> dict[str, torch.Tensor]:
        """What training added to each parameter: float32, in the parameter's shape."""
        if self.rows:
            return self.rows.tables(self.values)
        return {name: (value.detach() - self.originals[name].detach()).float() for name, value in self.values.items()}

    def state(self) -> TrainingState:
        """Everything that going on needs."""
        moments = {}
        for name, value in self.values.items():
            kept = self.optimiser.state.get(value)
            if kept:
                moments[name] = (kept["exp_avg"], kept["exp_avg_sq"])
        return TrainingState(self.step, self.values, moments, self.identity, self.losses)

    def resume(self, state: TrainingState) -> None:
        """Go on from a state."""
        self.step, self.losses = state.step, list(state.losses)
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

    def _draw(self, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[CaptionPair]]:
        chosen = torch.randint(len(self.clean), (self.tuning.batch_size,), generator=generator)
        clean = self.clean[chosen.to(self.clean.device)]
        noise = torch.randn(clean.shape, generator=generator).to(clean)
        timesteps = torch.randint(self.diffusion.steps, (len(clean),), generator=generator).to(clean.device)
        return clean, noise, timesteps, [self.pairs[i] for i in chosen.tolist()]

    def _asked(self, captions: Sequence[str]) -> Conditions:
        if self.rows:
            with self.rows.added(self.values):
                return conditions(self.pipeline, captions)
        new = [caption for caption in dict.fromkeys(captions) if caption not in self._encoded]
        if new:
            with torch.no_grad():
                encoded = conditions(self.pipeline, new)
            self._encoded |= {caption: encoded.rows([i]) for i, caption in enumerate(new)}
        return joined([self._encoded[caption] for caption in captions])


def tune(
    pipeline: Pipeline,
    concept: ConceptTarget,
    settings: AblationSettings,
    folder: Path | None = None,
    is_copy: IsCopy | None = None,
    on_step: OnStep | None = None,
    base_sha256: str = "",
) -> dict[str, torch.Tensor]:
    """Sample anchor images, train, and return what training added to each parameter.

    Args:
        pipeline: The unedited model; it is left as it is.
        concept: What is removed.
        settings: `model_based` or `noise_based`.
        folder: Where the state is kept; the same call goes on from there. Nothing is kept when None.
        is_copy: Which images reproduce a memorised picture; such anchor images are left out.
        on_step: Called with the number of steps done and the loss; first for the steps that the folder holds already.
        base_sha256: The model's fingerprint; what the folder holds goes on with its own model only.

    Raises:
        AnchorError: If captions or images of the anchor are of no use.
        TrainingError: If the loss stops being a number; the state of the last good step is then in the folder.
    """
    tuning = settings.tuning
    if paraphrased(concept, settings) and is_copy is None:
        raise AnchorError(
            f"concept {concept.name!r}: paraphrases can be anchors only where `is_copy` says which of them reproduce "
            f"the picture; give it, or let memorized_anchors be `anchor`"
        )
    captions = anchor_captions(concept, settings)
    wanted = [captions[i % len(captions)] for i in range(tuning.anchor_images)]
    pairs = caption_pairs(wanted, concept, settings, settings.seed)
    clean, left = kept_anchor_latents(
        pipeline,
        [pair.anchor for pair in pairs],
        settings.seed,
        is_copy,
        folder / _ANCHORS if folder else None,
        identity_of(concept, settings, base_sha256),
    )
    if len(left) < len(pairs):
        pairs = caption_pairs(left, concept, settings, settings.seed)
    tuner = Tuner(pipeline, concept, settings, clean, pairs, base_sha256)
    path = folder / _STATE if folder else None
    state = TrainingState.load(path, tuner.identity) if path else None
    if state:
        tuner.resume(state)
        for step, loss in enumerate(tuner.losses, 1):
            if on_step:
                on_step(step, loss)
    while tuner.step < tuning.steps:
        try:
            loss = tuner.train_step()
        except TrainingError as error:
            if path is None:
                raise
            tuner.state().save(path)
            raise TrainingError(f"{error}; the state after step {tuner.step} is in {path}") from error
        if on_step:
            on_step(tuner.step, loss)
        if path and (tuner.step % tuning.checkpoint_every == 0 or tuner.step == tuning.steps):
            tuner.state().save(path)
    return tuner.deltas()
