"""The asset `regenerated_images`: every prompt anew, away from the first image's shape."""

import time
from typing import Any

import dagster as dg
import numpy as np

from resources import CampaignResource, CatalogResource, ModelResource, ProgressResource, StoreResource, TrackerResource
from twig_assets.assets.mask_rows import write_mask
from twig_assets.assets.masks import masks
from twig_assets.assets.partitions import prompt_batches
from twig_assets.assets.thumbnails import gallery, outlined, sheet
from twig_assets.campaigns import Campaign
from twig_assets.catalog.attempts import PromptState, attempt_seed, image_of, mask_of, missing_images, prompt_states
from twig_assets.catalog.models import Image, Mask
from twig_assets.catalog.store import ArtifactStore
from twig_assets.present import present_rules, regenerated_settings, segmenter_name
from twig_assets.regeneration import aligned_iou, iou, regenerate
from twig_assets.segmentation import segment


@dg.asset(
    partitions_def=prompt_batches,
    deps=[masks],
    group_name="images",
    owners=["team:ml"],
    kinds={"diffusers", "mlflow"},
    description="TWIG's second step: the prompt again with another seed, while the first image's shape is kept clear. "
    "Reports how far the two shapes overlap, in place and in form. Where the first image has no usable mask there "
    "is no shape to avoid; then only what the model knows by heart is kept from coming again, and the image says so.",
)
def regenerated_images(
    context: dg.AssetExecutionContext,
    campaign: CampaignResource,
    catalog: CatalogResource,
    store: StoreResource,
    models: ModelResource,
    tracker: TrackerResource,
    progress: ProgressResource,
) -> dg.MaterializeResult:
    """Draw the second images that are missing, an attempt and a chunk at a time."""
    here = campaign.load()
    name = segmenter_name(here)
    with catalog.open().session() as session:
        model, rules = present_rules(session, here)
        states = prompt_states(session, context.partition_key, rules)
        work: dict[tuple[int, bool], list[tuple[PromptState, Image, Mask]]] = {}
        for s in missing_images(session, states, "regenerated", rules):
            first = image_of(session, s.prompt.id, "generated", s.attempt, rules)
            mask = mask_of(session, first.id, name) if first else None
            if first is None or mask is None:
                raise dg.Failure(
                    f"prompt {s.prompt.text!r} has no image or mask yet; materialize generated_images and masks"
                )
            work.setdefault((s.attempt, mask.outcome == "ok"), []).append((s, first, mask))
    total = sum(len(group) for group in work.values())
    if not total:
        return dg.MaterializeResult(metadata={"images": 0, "model_work": "none: every image is there already"})
    artifacts = store.open()
    pipeline = models.composed(here, {key: artifacts.read(key, "safetensors") for key in model.edits})
    rows: list[tuple[str, list[np.ndarray]]] = []
    overlaps: list[tuple[float, float]] = []
    started = time.monotonic()
    for (attempt, masked), group in sorted(work.items()):
        for start in range(0, len(group), here.generation.batch_size):
            chunk = group[start : start + here.generation.batch_size]
            firsts, shapes, seconds = _draw(here, pipeline, artifacts, chunk, attempt, masked)
            found = segment(seconds, models.segmenter(here), here.segmentation)
            hashes = [artifacts.put_image(picture) for picture in seconds]
            with catalog.open().session() as session:
                for (s, first, _), sha256, segmentation in zip(chunk, hashes, found, strict=True):
                    image = Image(
                        sha256=sha256, prompt_id=s.prompt.id, stage="regenerated", attempt=attempt,
                        seed=attempt_seed(s.prompt.seed, "regenerated", attempt), model_id=model.id, parent_id=first.id,
                        settings={**regenerated_settings(here, attempt), "avoided": masked},
                        settings_sha256=rules.regenerated[attempt], run_id=context.run.run_id,
                    )  # fmt: skip
                    session.add(image)
                    session.flush()
                    write_mask(session, artifacts, image.id, name, segmentation)
            for (s, _, _), first_picture, shape, second, new in zip(chunk, firsts, shapes, seconds, found, strict=True):
                rows.append(
                    (f"{s.prompt.text} (attempt {attempt})", [first_picture, outlined(first_picture, shape), second])
                )
                if masked and new.outcome == "ok":
                    overlaps.append((iou(shape, new.mask), aligned_iou(shape, new.mask)))
            progress.report(context, len(rows), total)
    figures = {"images": float(total), "seconds": time.monotonic() - started}
    if overlaps:
        figures |= {
            "location_iou": float(np.mean([o[0] for o in overlaps])),
            "form_iou": float(np.mean([o[1] for o in overlaps])),
        }
    pictures = np.concatenate([np.stack(three) for _, three in rows])
    url = tracker.record(
        context, f"twig-assets/{here.name}/images", figures,
        {"strategy": " + ".join(here.regeneration.strategies), "strength": str(here.regeneration.strength)},
        {"first-mask-second.png": sheet(pictures, columns=12)},
    )  # fmt: skip
    return dg.MaterializeResult(
        metadata={**figures, "images": total, "mlflow": dg.MetadataValue.url(url), "pictures": gallery(rows)}
    )


def _draw(
    campaign: Campaign,
    pipeline: Any,
    store: ArtifactStore,
    chunk: list[tuple[PromptState, Image, Mask]],
    attempt: int,
    masked: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First images, their shapes (all true where there is none to avoid) and the new images."""
    settings = campaign.regeneration.for_attempt(attempt)
    firsts = np.stack([store.read_image(first.sha256) for _, first, _ in chunk])
    shapes = np.ones(firsts.shape[:3], bool)
    if masked:
        shapes = np.stack([store.read_image(str(mask.sha256)).astype(bool) for _, _, mask in chunk])
    else:
        settings = settings.model_copy(update={"strategy": "forget"})
    seeds = [attempt_seed(s.prompt.seed, "regenerated", attempt) for s, _, _ in chunk]
    prompts = [s.prompt.text for s, _, _ in chunk]
    return firsts, shapes, regenerate(pipeline, prompts, firsts, shapes, seeds, settings, campaign.generation)
