"""TWIG's second step for a batch: every prompt again, away from its first image's shape and from protected works."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from sqlalchemy.orm import Session

from twig_assets.campaign.rules_in_force import Rules, regenerated_settings, rules_in_force, segmenter_name
from twig_assets.catalog.models import Image, Mask, Model
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.attempts.batch import Batch, Made, Marked, Models, Report
from twig_assets.compliance.attempts.drawing import DrawnSeconds, SecondChunk, drawn_seconds
from twig_assets.compliance.attempts.mask_rows import write_mask
from twig_assets.compliance.attempts.near_works import NearWorks, near_works
from twig_assets.compliance.attempts.spreading import draws
from twig_assets.compliance.candidates import (
    PromptState,
    attempt_seed,
    image_of,
    mask_of,
    missing_images,
    prompt_states,
)
from twig_assets.compliance.reruns import Rerun, reruns
from twig_assets.regeneration import compare
from twig_assets.segmentation import Segmentation, SourcedMask
from twig_assets.settings.regeneration import RegenerationSettings

# Attempt, reason of the rerun, and whether there is a shape to avoid.
_Alike: TypeAlias = tuple[int, str, bool]


@dataclass(frozen=True, eq=False)
class SecondImage:
    """A second image that was drawn, beside the first.

    Attributes:
        prompt: The prompt.
        attempt: The attempt that it was drawn for, from 0.
        first: The first image, uint8 (H, W, 3).
        shape: The shape that was to be avoided, bool (H, W); all False where there is none.
        second: The second image, uint8 (H, W, 3).
        figures: How far apart the two are, see `regeneration.compare`.
    """

    prompt: PromptState
    attempt: int
    first: np.ndarray
    shape: np.ndarray
    second: np.ndarray
    figures: dict[str, float]


@dataclass(frozen=True)
class _Due:
    """A prompt whose second image is missing, with its first image and that image's mask.

    Attributes:
        prompt: The prompt.
        first: Its first image.
        mask: That image's mask.
        rerun: Why it is drawn again; None at its first attempt.
    """

    prompt: PromptState
    first: Image
    mask: Mask
    rerun: Rerun | None

    @property
    def masked(self) -> bool:
        """Whether the first image has a shape to avoid."""
        return self.mask.outcome == "ok"


@dataclass(frozen=True, eq=False)
class _Order:
    """A chunk that is being drawn.

    Attributes:
        attempt: Its attempt, from 0.
        due: Its members.
        shapes: The shapes of their first images, bool (n, H, W); all False where there is none.
        near: Hashes of the works that are kept away from.
        what: What a worker is given.
    """

    attempt: int
    due: list[_Due]
    shapes: np.ndarray
    near: list[str]
    what: SecondChunk


@dataclass(frozen=True)
class _Seconds:
    """Orders second images and keeps them.

    Attributes:
        batch: The batch.
        model: The row of the model that serves.
        rules: The rules in force.
        works: The campaign's protected works.
    """

    batch: Batch
    model: Model
    rules: Rules
    works: NearWorks

    def order(self, attempt: int, chunk: list[_Due]) -> "_Order":
        """What is drawn for a chunk of one attempt, all of which have a shape to avoid, or none."""
        campaign = self.batch.campaign
        firsts, shapes = _first_images(self.batch.store, chunk)
        near = self.works.near(firsts, campaign.regeneration.works)
        seeds = [attempt_seed(due.prompt.prompt.seed, "regenerated", attempt) for due in chunk]
        texts = [due.prompt.prompt.text for due in chunk]
        settings, avoided = _settings(campaign.regeneration, attempt, chunk[0].rerun), shapes
        if not shapes.any():
            settings, avoided = settings.unmasked(), np.ones_like(shapes)
        evidence = [due.rerun is not None and due.rerun.evidence for due in chunk]
        what = SecondChunk(texts, seeds, firsts, avoided, settings, [work.pixels for work in near], evidence)
        return _Order(attempt, chunk, shapes, [work.sha256 for work in near], what)

    def keep(self, order: "_Order", drawn: DrawnSeconds) -> list[SecondImage]:
        """Mark and keep the second images of a chunk."""
        chunk = order.due
        marked = [self.batch.marker(second) for second in drawn.pixels]
        alike = {"works": order.near, "avoided": chunk[0].masked}
        made_with = [
            {**alike, "applied": _applied(due.rerun, order.what.settings), **figures}
            for due, figures in zip(chunk, drawn.figures, strict=True)
        ]
        self._keep(order.attempt, chunk, marked, drawn.segmentations, made_with)
        each = zip(chunk, order.what.firsts, order.shapes, marked, drawn.segmentations, strict=True)
        return [
            SecondImage(
                due.prompt, order.attempt, first, shape, of.pixels, _figures(first, shape, of.pixels, segmentation)
            )
            for due, first, shape, of, segmentation in each
        ]

    def _keep(
        self,
        attempt: int,
        chunk: list[_Due],
        seconds: list[Marked],
        segmentations: Sequence[Segmentation],
        made_with: list[dict[str, Any]],
    ) -> None:
        """Write the images and their masks: files into the store, rows in one transaction."""
        campaign, store = self.batch.campaign, self.batch.store
        with self.batch.catalog.session() as session:
            for due, second, segmentation, results in zip(chunk, seconds, segmentations, made_with, strict=True):
                image = Image(
                    sha256=store.put_image(second.pixels),
                    prompt_id=due.prompt.prompt.id,
                    stage="regenerated",
                    attempt=attempt,
                    seed=attempt_seed(due.prompt.prompt.seed, "regenerated", attempt),
                    model_id=self.model.id,
                    parent_id=due.first.id,
                    settings={**regenerated_settings(campaign, attempt), **results},
                    settings_sha256=self.rules.regenerated[attempt],
                    run_id=self.batch.run_id,
                )
                session.add_all([image, *second.row(image)])
                session.flush()
                mask = SourcedMask(segmentation, "automatic")
                write_mask(session, store, image.id, segmenter_name(campaign), mask)


def draw_second_images(batch: Batch, models: Models, report: Report) -> Made[SecondImage]:
    """Draw the second image of every prompt that has none at its attempt. No model is opened if all have one.

    Args:
        batch: The batch.
        models: Opens the generator and the segmenter.
        report: Called after each chunk.

    Raises:
        NotMaterializedError: If no model serves the campaign, or a prompt has no first image or no mask of it.
    """
    campaign = batch.campaign
    with batch.catalog.session() as session:
        model, rules = rules_in_force(session, campaign)
        groups = _due(batch, rules, session)
    total = sum(len(group) for group in groups.values())
    if not total:
        return Made([], 0.0)
    drawing = draws(batch, models, model, drawn_seconds)
    seconds = _Seconds(batch, model, rules, near_works(campaign))
    drawn: list[SecondImage] = []
    handed_out: deque[_Order] = deque()

    def orders() -> Iterator[SecondChunk]:
        # Taken one after the other, as workers get free: not all first images are read at once.
        for attempt, chunk in _chunks(groups, campaign.generation.batch_size):
            handed_out.append(seconds.order(attempt, chunk))
            yield handed_out[-1].what

    started = time.monotonic()
    for pictures in drawing(orders()):
        drawn += seconds.keep(handed_out.popleft(), pictures)
        report(len(drawn), total)
    return Made(drawn, time.monotonic() - started)


def _due(batch: Batch, rules: Rules, session: Session) -> dict[_Alike, list[_Due]]:
    """The prompts whose second image is missing, those together that are drawn alike."""
    groups: dict[_Alike, list[_Due]] = {}
    segmenter = segmenter_name(batch.campaign)
    missing = missing_images(session, prompt_states(session, batch.key, rules), "regenerated", rules)
    again = reruns(session, missing, rules)
    for prompt in missing:
        first = image_of(session, prompt.prompt.id, "generated", 0, rules)
        mask = mask_of(session, first.id, segmenter) if first else None
        if first is None or mask is None:
            raise NotMaterializedError(
                f"prompt {prompt.prompt.text!r} has no image or mask yet; materialize generated_images and masks"
            )
        due = _Due(prompt, first, mask, again.get(prompt.prompt.id))
        reason = due.rerun.reason if due.rerun else ""
        groups.setdefault((prompt.attempt, reason, due.masked), []).append(due)
    return groups


def _settings(settings: RegenerationSettings, attempt: int, rerun: Rerun | None) -> RegenerationSettings:
    return settings if rerun is None else settings.for_rerun(rerun.reason, attempt)


def _applied(rerun: Rerun | None, settings: RegenerationSettings) -> dict[str, Any]:
    """What the row says of why the image was drawn again, and of the settings that this led to."""
    why = {"reason": rerun.reason, "evidence": rerun.evidence} if rerun else {"reason": None, "evidence": False}
    return {**why, "regeneration": settings.model_dump(mode="json")}


def _chunks(groups: dict[_Alike, list[_Due]], size: int) -> Iterator[tuple[int, list[_Due]]]:
    """Attempt and members of each chunk of at most `size` prompts of one group."""
    for (attempt, *_), group in sorted(groups.items(), key=lambda item: item[0]):
        for start in range(0, len(group), size):
            yield attempt, group[start : start + size]


def _first_images(store: ArtifactStore, chunk: list[_Due]) -> tuple[np.ndarray, np.ndarray]:
    """First images and their shapes, all False where there is none to avoid."""
    firsts = np.stack([store.read_image(due.first.sha256) for due in chunk])
    shapes = [
        store.read_image(str(due.mask.sha256)).astype(bool) if due.masked else np.zeros(firsts.shape[1:3], bool)
        for due in chunk
    ]
    return firsts, np.stack(shapes)


def _figures(first: np.ndarray, shape: np.ndarray, second: np.ndarray, segmentation: Segmentation) -> dict[str, float]:
    usable = segmentation.mask if segmentation.outcome == "ok" else np.zeros_like(segmentation.mask)
    return compare(first[None], second[None], shape[None], usable[None])
