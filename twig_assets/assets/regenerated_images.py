"""The asset `regenerated_images`: every prompt anew, away from the first image's shape."""

import time
from typing import Any

import dagster as dg
import numpy as np

from twig_assets.assets.masks import masks
from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.mask_rows import write_mask
from twig_assets.assets.shared.partitions import prompt_batches
from twig_assets.assets.shared.thumbnails import gallery, outlined, sheet
from twig_assets.campaign import Campaign
from twig_assets.campaign.protected_terms import terms_of
from twig_assets.campaign.rules_in_force import regenerated_settings, rules_in_force, segmenter_name
from twig_assets.catalog.models import Image, Mask
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.candidates import (
    PromptState,
    attempt_seed,
    image_of,
    mask_of,
    missing_images,
    prompt_states,
)
from twig_assets.prompts import find_protected
from twig_assets.regeneration import compare, nearest_works, regenerate
from twig_assets.resources import (
    CampaignResource,
    CatalogResource,
    ModelResource,
    ProgressResource,
    StoreResource,
    TrackerResource,
)
from twig_assets.segmentation import SourcedMask, segment
from twig_assets.similarity import EmptyCorpusError, ReferenceImage, read_references


@dg.asset(
    partitions_def=prompt_batches,
    deps=[masks],
    group_name="images",
    owners=["team:ml"],
    kinds={"diffusers", "mlflow"},
    description="TWIG's second step: the prompt again with another seed, away from the first image's shape and from "
    "the nearest protected works. Reports how far the two shapes overlap, in place and in form. Where the first "
    "image has no usable mask there is no shape to avoid; then only what the model knows by heart is kept from coming "
    "again, and the image says so.",
)
@one_run_at_a_time
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
        model, rules = rules_in_force(session, here)
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
    _check_neutral(here)
    artifacts = store.open()
    pipeline = models.composed(here, {key: artifacts.read(key, "safetensors") for key in model.applied})
    works = _works(here)
    rows: list[tuple[str, list[np.ndarray]]] = []
    compared: list[dict[str, float]] = []
    started = time.monotonic()
    for (attempt, masked), group in sorted(work.items()):
        for start in range(0, len(group), here.generation.batch_size):
            chunk = group[start : start + here.generation.batch_size]
            firsts, shapes = _firsts(artifacts, chunk)
            near = [works[i] for i in nearest_works(firsts, [w.pixels for w in works], here.regeneration.works)]
            seconds = _draw(here, pipeline, chunk, (firsts, shapes), attempt, [work.pixels for work in near])
            found = segment(seconds, models.segmenter(here), here.segmentation)
            made = {"works": [work.sha256 for work in near], "avoided": masked}
            with catalog.open().session() as session:
                for (s, first, _), second, segmentation in zip(chunk, seconds, found, strict=True):
                    image = Image(
                        sha256=artifacts.put_image(second),
                        prompt_id=s.prompt.id,
                        stage="regenerated",
                        attempt=attempt,
                        seed=attempt_seed(s.prompt.seed, "regenerated", attempt),
                        model_id=model.id,
                        parent_id=first.id,
                        settings={**regenerated_settings(here, attempt), **made},
                        settings_sha256=rules.regenerated[attempt],
                        run_id=context.run.run_id,
                    )
                    session.add(image)
                    session.flush()
                    write_mask(session, artifacts, image.id, name, SourcedMask(segmentation, "automatic"))
            for (s, *_), first_picture, shape, second, new in zip(chunk, firsts, shapes, seconds, found, strict=True):
                usable = new.mask if new.outcome == "ok" else np.zeros_like(new.mask)
                compared.append(compare(first_picture[None], second[None], shape[None], usable[None]))
                three = [first_picture, outlined(first_picture, shape), second]
                rows.append((_caption(s, attempt, compared[-1]), three))
            progress.report(context, len(rows), total)
    figures = {"images": float(total), "seconds": time.monotonic() - started, **_means(compared)}
    pictures = np.concatenate([np.stack(three) for _, three in rows])
    link = tracker.record(
        context,
        f"twig-assets/{here.name}/images",
        figures,
        {"strategy": " + ".join(here.regeneration.strategies), "strength": str(here.regeneration.strength)},
        {"first-mask-second.png": sheet(pictures, columns=12)},
    )
    return dg.MaterializeResult(metadata={**figures, "images": total, "mlflow": link, "pictures": gallery(rows)})


def _check_neutral(campaign: Campaign) -> None:
    """Refuse to draw towards what is protected in place of a prompt known by heart."""
    neutral = campaign.regeneration.neutral
    for found in find_protected(neutral, terms_of(campaign), campaign.prompt_check.typing_errors):
        raise dg.Failure(
            f"{campaign.settings_file}: regeneration.neutral: {neutral!r} names what is protected "
            f"({found.term.words}); name some other ordinary thing there",
            allow_retries=False,
        )


def _works(campaign: Campaign) -> list[ReferenceImage]:
    try:
        return read_references(campaign.references_folder)[0]
    except EmptyCorpusError:
        return []  # nothing to keep away from; the audit is what refuses to go on without a corpus


def _firsts(store: ArtifactStore, chunk: list[tuple[PromptState, Image, Mask]]) -> tuple[np.ndarray, np.ndarray]:
    """First images and their shapes, all False where there is none to avoid."""
    firsts = np.stack([store.read_image(first.sha256) for _, first, _ in chunk])
    shapes = [
        store.read_image(str(mask.sha256)).astype(bool) if mask.outcome == "ok" else np.zeros(firsts.shape[1:3], bool)
        for _, _, mask in chunk
    ]
    return firsts, np.stack(shapes)


def _draw(
    campaign: Campaign,
    pipeline: Any,
    chunk: list[tuple[PromptState, Image, Mask]],
    pictures: tuple[np.ndarray, np.ndarray],
    attempt: int,
    works: list[np.ndarray],
) -> np.ndarray:
    """The new images of a chunk whose first images all have a shape, or all have none."""
    firsts, shapes = pictures
    settings = campaign.regeneration.for_attempt(attempt)
    if not shapes.any():
        settings, shapes = settings.unmasked(), np.ones_like(shapes)
    seeds = [attempt_seed(s.prompt.seed, "regenerated", attempt) for s, _, _ in chunk]
    prompts = [s.prompt.text for s, _, _ in chunk]
    return regenerate(pipeline, prompts, firsts, shapes, seeds, settings, campaign.generation, works)


def _caption(state: PromptState, attempt: int, figures: dict[str, float]) -> str:
    shown = {"location_iou": "location IoU", "form_iou": "form IoU", "ssim_first": "SSIM to the first"}
    said = ", ".join(f"{name} {figures[key]:.2f}" for key, name in shown.items() if key in figures)
    return f"{state.prompt.text} (attempt {attempt}; {said})"


def _means(compared: list[dict[str, float]]) -> dict[str, float]:
    """Of each figure over the images that have it; `shapes` says how many have both shapes."""
    names = dict.fromkeys(name for one in compared for name in one if name != "shapes")
    means = {name: float(np.mean([one[name] for one in compared if name in one])) for name in names}
    return {**means, "shapes": sum(one["shapes"] for one in compared)}
