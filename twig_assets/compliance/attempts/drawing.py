"""What a worker of an engine draws and segments with, and what it makes of a chunk: pure functions.

A worker opens each of the campaign's models when it first needs it, and keeps it. It knows no catalog, and writes
nothing. Drawing and segmenting are the work of the same workers, since second images need both models: one that drew
first images has the generator open for the second ones, and the segmenter from the masks between them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from twig_assets.ablation.serving import serve_edits
from twig_assets.campaign import Campaign
from twig_assets.campaign.campaign import SegmenterChoice
from twig_assets.catalog.models import Model
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.catalog.store import ArtifactStore
from twig_assets.engines import Context
from twig_assets.generation import fingerprint, generate, load_checkpoint
from twig_assets.regeneration import regenerate
from twig_assets.segmentation import (
    RememberingSegmenter,
    Segmentation,
    SourcedMask,
    bright_ending,
    load_segmenter,
    masks_from,
    segmenter_device,
)
from twig_assets.settings.generation import GenerationSettings
from twig_assets.settings.home import quiet_model_libraries
from twig_assets.settings.masks import MaskSettings
from twig_assets.settings.opening import OpeningSettings
from twig_assets.settings.regeneration import RegenerationSettings
from twig_assets.settings.segmentation import SegmentationSettings


@dataclass(frozen=True)
class DrawingSettings:
    """What to draw with.

    Attributes:
        checkpoint: See `Campaign`; likewise `folder`, `opening`, `generation` and `segmentation`.
        base_sha256: Fingerprint of the unedited model.
        edits: Hashes of the edits that are applied.
        store: Root of the artifact store, which has their files.
        segmenter: Which segmenter.
        device: Where that computes; None leaves it to this machine.
    """

    checkpoint: str
    folder: Path
    opening: OpeningSettings
    base_sha256: str
    edits: tuple[str, ...]
    store: str
    generation: GenerationSettings
    segmentation: SegmentationSettings
    segmenter: SegmenterChoice
    device: str | None


@dataclass(frozen=True, eq=False)
class Drawing:
    """What a worker keeps open.

    Attributes:
        pipeline: Gives the generator with its edits, which the first call opens.
        segmenter: Gives the segmenter, which the first call opens.
        generation: The sampler's settings.
        segmentation: The segmenter's settings.
    """

    pipeline: Callable[[], Any]
    segmenter: Callable[[], Any]
    generation: GenerationSettings
    segmentation: SegmentationSettings


@dataclass(frozen=True)
class FirstChunk:
    """First images to draw: n prompts, each with its seed."""

    texts: Sequence[str]
    seeds: Sequence[int]


@dataclass(frozen=True, eq=False)
class MaskChunk:
    """First images to segment.

    Attributes:
        texts: The n prompts that they were drawn from.
        seeds: The n seeds.
        firsts: The first images, uint8 (n, H, W, 3).
        settings: Where their masks come from.
    """

    texts: Sequence[str]
    seeds: Sequence[int]
    firsts: np.ndarray
    settings: MaskSettings


@dataclass(frozen=True, eq=False)
class SecondChunk:
    """Second images to draw.

    Attributes:
        texts: n prompts.
        seeds: n seeds.
        firsts: The first images, uint8 (n, H, W, 3).
        avoided: The shapes that are avoided, bool (n, H, W).
        settings: How.
        works: The protected works that are kept away from, each uint8 (h, w, 3).
        evidence: For each, whether the memorised work showed in an earlier attempt; see `regenerate`.
    """

    texts: Sequence[str]
    seeds: Sequence[int]
    firsts: np.ndarray
    avoided: np.ndarray
    settings: RegenerationSettings
    works: Sequence[np.ndarray]
    evidence: Sequence[bool]


@dataclass(frozen=True, eq=False)
class DrawnSeconds:
    """Second images that were drawn.

    Attributes:
        pixels: uint8 (n, H, W, 3).
        segmentations: What the segmenter found in each.
        figures: What was done to each, see `regenerate`.
    """

    pixels: np.ndarray
    segmentations: Sequence[Segmentation]
    figures: list[dict[str, Any]] = field(default_factory=list)


def drawing_context(campaign: Campaign, model: Model, store: ArtifactStore) -> Context[Drawing]:
    """What workers open to draw for a campaign with the model that serves it."""
    settings = DrawingSettings(
        campaign.checkpoint,
        campaign.folder.absolute(),  # workers may have another working directory
        campaign.opening,
        model.base_sha256,
        tuple(model.applied),
        str(store.root),
        campaign.generation,
        campaign.segmentation,
        campaign.segmenter,
        campaign.device,
    )
    return Context(opened, settings, draws=True)


def opened_pipeline(checkpoint: str, folder: Path, opening: OpeningSettings, base_sha256: str) -> Any:
    """A campaign's unedited pipeline on a worker.

    Raises:
        NotMaterializedError: If the checkpoint has become another model than the one with this fingerprint.
        CheckpointError: If it cannot be opened.
    """
    quiet_model_libraries()
    pipeline = load_checkpoint(checkpoint, folder, opening)
    found = fingerprint(pipeline)
    if found != base_sha256:
        raise NotMaterializedError(
            f"{folder}: checkpoint {checkpoint!r} is another model here ({found[:12]}) than where the work was handed "
            f"out ({base_sha256[:12]}); have the same files on every machine, or materialize ablated_models and "
            "composed_model"
        )
    return pipeline


def opened(settings: DrawingSettings) -> Drawing:
    """What a worker keeps: the models, each of which opens when it is first needed.

    The pipeline raises ArtifactError if an edit's file is missing, and what `opened_pipeline` does.
    """

    @cache
    def pipeline() -> Any:
        bare = opened_pipeline(settings.checkpoint, settings.folder, settings.opening, settings.base_sha256)
        store = ArtifactStore(settings.store)
        serve_edits(bare, settings.base_sha256, {key: store.read(key, "safetensors") for key in settings.edits})
        return bare

    @cache
    def segmenter() -> Any:
        quiet_model_libraries()
        chosen = settings.segmenter
        device = segmenter_device(chosen.kind, settings.device)
        return load_segmenter(chosen.kind, chosen.checkpoint, device, chosen.revision)

    return Drawing(pipeline, segmenter, settings.generation, settings.segmentation)


def drawn_firsts(drawing: Drawing, chunk: FirstChunk) -> np.ndarray:
    """The first images of a chunk, uint8 (n, H, W, 3)."""
    return generate(drawing.pipeline(), chunk.texts, chunk.seeds, drawing.generation)


def masked_firsts(drawing: Drawing, chunk: MaskChunk) -> list[SourcedMask]:
    """The masks of a chunk; the generator is opened only where its attention is asked for.

    Raises:
        MissingCapabilityError: See `bright_ending`.
    """

    def endings(positions: list[int]) -> tuple[list[Segmentation], np.ndarray]:
        texts, seeds = [chunk.texts[i] for i in positions], [chunk.seeds[i] for i in positions]
        return bright_ending(drawing.pipeline(), texts, seeds, drawing.generation, drawing.segmentation)

    return masks_from(chunk.firsts, chunk.texts, drawing.segmenter, endings, chunk.settings, drawing.segmentation)


def drawn_seconds(drawing: Drawing, chunk: SecondChunk) -> DrawnSeconds:
    """The second images of a chunk, and what the segmenter finds in them."""
    segmenter = RememberingSegmenter(drawing.segmenter, drawing.segmentation)
    figures: list[dict[str, Any]] = []
    pixels = regenerate(
        drawing.pipeline(),
        chunk.texts,
        chunk.firsts,
        chunk.avoided,
        chunk.seeds,
        chunk.settings,
        drawing.generation,
        chunk.works,
        evidence=chunk.evidence,
        segment=segmenter.objects,
        on_figures=figures.extend,
    )
    return DrawnSeconds(pixels, segmenter.segmentations(pixels), figures)
