"""Ablating concepts on workers of an engine, each concept by itself: what a worker opens, and what it computes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twig_assets.ablation import ConceptTarget, Evaluation
from twig_assets.ablation.judged import ablate_and_evaluate
from twig_assets.campaign import Campaign
from twig_assets.compliance.attempts.drawing import opened_pipeline
from twig_assets.engines import Context
from twig_assets.judge.for_edits import clip_of, text_vectors_of
from twig_assets.settings.ablation import AblationSettings
from twig_assets.settings.generation import GenerationSettings
from twig_assets.settings.judge import JudgeSettings
from twig_assets.settings.opening import OpeningSettings


@dataclass(frozen=True)
class UneditedSettings:
    """The model that concepts are removed from, and who judges that.

    Attributes:
        checkpoint: See `Campaign`; likewise `folder`, `opening` and `judge`.
        base_sha256: Its fingerprint.
    """

    checkpoint: str
    folder: Path
    opening: OpeningSettings
    base_sha256: str
    judge: JudgeSettings


@dataclass(frozen=True, eq=False)
class Unedited:
    """The open model, and what opens the judge."""

    pipeline: Any
    base_sha256: str
    clip: Callable[[], Any]
    text_vectors: Any


@dataclass(frozen=True)
class AblationOrder:
    """A concept to remove.

    Attributes:
        target: The concept.
        settings: How it is removed and judged.
        generation: The sampler's settings.
        trainings: Where an interrupted training leaves its state; another machine goes on there if it has the folder.
    """

    target: ConceptTarget
    settings: AblationSettings
    generation: GenerationSettings
    trainings: Path


@dataclass(frozen=True, eq=False)
class Ablated:
    """An edit that was computed and judged.

    Attributes:
        weights: The content of its file.
        evaluation: Its evaluation.
        losses: The loss of every step of a training; empty for other methods.
    """

    weights: bytes
    evaluation: Evaluation
    losses: list[float] = field(default_factory=list)


def ablation_context(campaign: Campaign, base_sha256: str) -> Context[Unedited]:
    """What workers open to remove concepts of a campaign."""
    folder = campaign.folder.absolute()  # workers may have another working directory
    settings = UneditedSettings(campaign.checkpoint, folder, campaign.opening, base_sha256, campaign.chosen_judge)
    return Context(opened, settings, draws=True)


def opened(settings: UneditedSettings) -> Unedited:
    """Open the model; raises what `opened_pipeline` does."""
    pipeline = opened_pipeline(settings.checkpoint, settings.folder, settings.opening, settings.base_sha256)
    judge, folder = settings.judge, settings.folder
    return Unedited(pipeline, settings.base_sha256, lambda: clip_of(judge, folder), text_vectors_of(judge, folder))


def ablated(
    unedited: Unedited,
    order: AblationOrder,
    on_step: Callable[[int, float], None] | None = None,
    on_drawn: Any = None,
) -> Ablated:
    """Compute and judge the edit of a concept.

    Args:
        unedited: The open model; it is unedited again afterwards.
        order: The concept.
        on_step: See `ablate_and_evaluate`; likewise `on_drawn`. Neither is called from another process.
        on_drawn: See `ablate_and_evaluate`.

    Raises:
        IndistinctConceptError, AnchorError, TrainingError: See `ablate_and_evaluate`.
    """
    losses: list[float] = []

    def step(done: int, loss: float) -> None:
        losses[done - 1 :] = [loss]  # `fast` may start again from its first step
        if on_step is not None:
            on_step(done, loss)

    edit, evaluation = ablate_and_evaluate(
        unedited.pipeline,
        order.target,
        order.settings,
        order.generation,
        unedited.base_sha256,
        order.trainings,
        unedited.clip,
        on_step=step,
        text_vectors=unedited.text_vectors,
        on_drawn=on_drawn,
    )
    return Ablated(edit.to_bytes(), evaluation, losses)
