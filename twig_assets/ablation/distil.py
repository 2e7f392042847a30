"""The second half of `fast`: a short distillation on top of the closed form.

The closed form makes keys and values of the target's tokens those of the anchor's, token by token. What the layers do
with them in between is not in it. So a few steps of the model-based objective (Kumari et al. 2023) follow, on the
anchor's cached trajectories: no image is decoded, and what the unedited model predicts is known from sampling.

What is trained are the values that the target's tokens are given (`LayerValues`), not the weights: the weights follow
by the closed form, so preserved prompts stay protected by the same equation and edits go on composing exactly. The
basis are the directions in which the target's tokens stand out against everything preserved.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import torch

from twig_assets.ablation import closed_form
from twig_assets.ablation.concept_edit import LayerValues, cross_attention_weights
from twig_assets.ablation.conditions import conditions, joined
from twig_assets.ablation.errors import TrainingError
from twig_assets.ablation.losses import squared_error
from twig_assets.ablation.parameters import first_token_detached, predict
from twig_assets.ablation.seeds import seed_of
from twig_assets.ablation.token_pairs import TokenPairs, preserved_prompts
from twig_assets.ablation.training_pairs import TrainingPair, training_pairs
from twig_assets.ablation.trajectories import Trajectories, trajectories
from twig_assets.generation import Pipeline
from twig_assets.settings.ablation import AblationSettings, ConceptTarget


def distil(
    pipeline: Pipeline,
    concept: ConceptTarget,
    pairs: TokenPairs,
    settings: AblationSettings,
    on_step: Callable[[int, float], None] | None = None,
) -> LayerValues:
    """Learn what the target's values must gain for the whole UNet to draw the anchor.

    Args:
        pipeline: The unedited model; it is left as it is.
        concept: What is removed.
        pairs: Its token statistics.
        settings: The closed form's weights, `overshoot` and `distillation`.
        on_step: Called with the number of steps done and the loss.

    Raises:
        TrainingError: If the loss stops being a number.
    """
    steps, batch = settings.distillation.steps, settings.distillation.batch_size
    response = closed_form.response([pairs], settings)
    basis = _basis(pairs, response, settings)
    down = (basis @ response).float().to(pipeline.device)
    start = {n: _edited(w, closed_form.solve([pairs], settings)) for n, w in cross_attention_weights(pipeline).items()}
    gains = {n: torch.zeros(len(w), len(basis), device=pipeline.device, requires_grad=True) for n, w in start.items()}
    optimiser = torch.optim.Adam(list(gains.values()), lr=settings.distillation.learning_rate)

    asked, anchors = _by_anchor(training_pairs(concept, settings), settings)
    kept = _spread(preserved_prompts(concept), settings.distillation.prompts, settings.seed)
    cache = trajectories(pipeline, [*anchors, *kept], settings.distillation.trajectory_steps, settings.seed)
    with torch.no_grad():
        own, keeping = conditions(pipeline, asked), conditions(pipeline, kept)
    for step in range(steps):
        generator = torch.Generator().manual_seed(seed_of(settings.seed, step))
        rows = torch.randint(len(anchors), (batch,), generator=generator)
        others = torch.randint(len(kept), (batch,), generator=generator)
        noisy, timesteps, wanted = _examples(cache, torch.cat([rows, len(anchors) + others]), generator)
        prompts = joined(own.rows(rows), keeping.rows(others))
        if settings.overshoot:
            with torch.no_grad():
                away = predict(pipeline, {}, noisy[:batch], timesteps[:batch], own.rows(rows))
            wanted = torch.cat([wanted[:batch] + settings.overshoot * (wanted[:batch] - away), wanted[batch:]])
        weights = {name: start[name] + (gains[name] @ down).to(start[name]) for name in start}
        with first_token_detached(pipeline):
            got = predict(pipeline, weights, noisy, timesteps, prompts)
        loss = squared_error(got[:batch], wanted[:batch])
        loss = loss + settings.distillation.retention * squared_error(got[batch:], wanted[batch:])
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss of step {step + 1} is {loss.item()}; lower distillation.learning_rate")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if on_step:
            on_step(step + 1, float(loss.detach()))
    return LayerValues(basis.float(), {name: gain.detach().cpu() for name, gain in gains.items()})


def _edited(weight: torch.Tensor, correction: torch.Tensor) -> torch.Tensor:
    return weight.detach() + (weight.detach().double().cpu() @ correction).to(weight)


def _basis(pairs: TokenPairs, response: torch.Tensor, settings: AblationSettings) -> torch.Tensor:
    """Directions of the target's tokens, strongest first against what is preserved: float64 (r, d).

    With Q = H H, these are the leading right singular vectors of E H, taken back by the pseudo-inverse of H, so that
    R Q e has about unit size for a target token e.
    """
    energies, directions = torch.linalg.eigh(response)
    roots = energies.clamp(min=0).sqrt()
    half = directions * roots @ directions.T
    inverse = torch.where(roots > 1e-9 * roots[-1], 1 / roots, torch.zeros_like(roots))
    _, _, leading = torch.linalg.svd(pairs.target @ half, full_matrices=False)
    return leading[: settings.distillation.rank] @ (directions * inverse @ directions.T)


def _by_anchor(pairs: Sequence[TrainingPair], settings: AblationSettings) -> tuple[list[str], list[str]]:
    """Prompts of the target and of the anchor, one pair for each trajectory; half of them in the target's own name."""
    groups: dict[bool, list[TrainingPair]] = defaultdict(list)
    for pair in pairs:
        groups[pair.word == pairs[0].word].append(pair)
    count = settings.distillation.prompts
    half = count - count // 2 if groups[False] else count
    chosen = _spread(groups[True], half, settings.seed) + _spread(groups[False], count - half, settings.seed)
    return [pair.prompt for pair in chosen], [pair.counterpart for pair in chosen]


def _spread(items: Sequence, count: int, seed: int) -> list:
    """So many of the items in random order; all of them come before any comes again."""
    order = np.random.default_rng(seed).permutation(len(items)).tolist()
    return [items[order[i % len(order)]] for i in range(count)]


def _examples(
    cache: Trajectories, rows: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    steps = torch.randint(len(cache.timesteps), rows.shape, generator=generator)
    at = (rows.to(cache.latents.device), steps.to(cache.latents.device))
    return cache.latents[at], cache.timesteps[at[1]], cache.predictions[at]
