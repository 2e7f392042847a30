"""What a worker of an engine draws with, and what it draws: pure functions of what it opened and of a chunk.

A worker opens the campaign's model once and keeps it; it knows no catalog, and writes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from twig_assets.ablation.serving import serve_edits
from twig_assets.campaign import Campaign
from twig_assets.catalog.models import Model
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.catalog.store import ArtifactStore
from twig_assets.engines import Context
from twig_assets.generation import fingerprint, generate, load_checkpoint
from twig_assets.regeneration import regenerate
from twig_assets.segmentation import RememberingSegmenter, Segmentation, load_segmenter, segmenter_device
from twig_assets.settings.generation import GenerationSettings
from twig_assets.settings.home import quiet_model_libraries
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
        segmenter: Kind, checkpoint and device of the segmenter.
    """

    checkpoint: str
    folder: Path
    opening: OpeningSettings
    base_sha256: str
    edits: tuple[str, ...]
    store: str
    generation: GenerationSettings
    segmentation: SegmentationSettings
    segmenter: tuple[Any, Path | None, str | None]


@dataclass(frozen=True, eq=False)
class Drawing:
    """An open model.

    Attributes:
        pipeline: The generator with its edits.
        segmenter: Opens the segmenter.
        generation: The sampler's settings.
        segmentation: The segmenter's settings.
    """

    pipeline: Any
    segmenter: Callable[[], Any]
    generation: GenerationSettings
    segmentation: SegmentationSettings


@dataclass(frozen=True)
class FirstChunk:
    """First images to draw: n prompts, each with its seed."""

    texts: Sequence[str]
    seeds: Sequence[int]


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
        (campaign.segmenter.kind, campaign.segmenter.checkpoint, campaign.device),
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
    """Open the model, with its edits.

    Raises:
        ArtifactError: If an edit's file is missing.
        NotMaterializedError, CheckpointError: See `opened_pipeline`.
    """
    pipeline = opened_pipeline(settings.checkpoint, settings.folder, settings.opening, settings.base_sha256)
    store = ArtifactStore(settings.store)
    serve_edits(pipeline, settings.base_sha256, {key: store.read(key, "safetensors") for key in settings.edits})
    kind, checkpoint, device = settings.segmenter
    kept: list[Any] = []

    def segmenter() -> Any:
        if not kept:
            kept.append(load_segmenter(kind, checkpoint, segmenter_device(kind, device)))
        return kept[0]

    return Drawing(pipeline, segmenter, settings.generation, settings.segmentation)


def drawn_firsts(drawing: Drawing, chunk: FirstChunk) -> np.ndarray:
    """The first images of a chunk, uint8 (n, H, W, 3)."""
    return generate(drawing.pipeline, chunk.texts, chunk.seeds, drawing.generation)


def drawn_seconds(drawing: Drawing, chunk: SecondChunk) -> DrawnSeconds:
    """The second images of a chunk, and what the segmenter finds in them."""
    segmenter = RememberingSegmenter(drawing.segmenter, drawing.segmentation)
    figures: list[dict[str, Any]] = []
    pixels = regenerate(
        drawing.pipeline,
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
