"""The asset `masks`: the foreground of every first image."""

import time

import dagster as dg
import numpy as np

from resources import CampaignResource, CatalogResource, ModelResource, ProgressResource, StoreResource, TrackerResource
from twig_assets.assets.claims import one_run_at_a_time
from twig_assets.assets.generated_images import generated_images
from twig_assets.assets.mask_rows import write_mask
from twig_assets.assets.partitions import prompt_batches
from twig_assets.assets.thumbnails import gallery, outlined
from twig_assets.catalog.attempts import image_of, mask_of, prompt_states
from twig_assets.present import present_rules, segmenter_name
from twig_assets.segmentation import segment

CHUNK = 16


@dg.asset(
    partitions_def=prompt_batches,
    deps=[generated_images],
    group_name="images",
    owners=["team:ml"],
    kinds={"pytorch", "mlflow"},
    description="Segment Anything on every first image: the union of its foreground masks, and the ranked list "
    "they come from. Where no object is found, or the mask covers nearly everything, the row says so.",
)
@one_run_at_a_time
def masks(
    context: dg.AssetExecutionContext,
    campaign: CampaignResource,
    catalog: CatalogResource,
    store: StoreResource,
    models: ModelResource,
    tracker: TrackerResource,
    progress: ProgressResource,
) -> dg.MaterializeResult:
    """Segment the first images that have no mask of this segmenter and these settings yet."""
    here = campaign.load()
    name = segmenter_name(here)
    with catalog.open().session() as session:
        _, rules = present_rules(session, here)
        states = prompt_states(session, context.partition_key, rules)
        images = [image_of(session, s.prompt.id, "generated", s.attempt, rules) for s in states]
        due = [(s.prompt, i) for s, i in zip(states, images, strict=True) if i and not mask_of(session, i.id, name)]
    if not due:
        return dg.MaterializeResult(metadata={"masks": 0, "model_work": "none: every mask is there already"})
    artifacts, sam = store.open(), models.segmenter(here)
    shown, outcomes, started = [], [], time.monotonic()
    for start in range(0, len(due), CHUNK):
        chunk = due[start : start + CHUNK]
        pictures = np.stack([artifacts.read_image(image.sha256) for _, image in chunk])
        found = segment(pictures, sam, here.segmentation)
        with catalog.open().session() as session:
            for (prompt, image), picture, segmentation in zip(chunk, pictures, found, strict=True):
                write_mask(session, artifacts, image.id, name, segmentation)
                shown.append(
                    (f"{prompt.text}: {segmentation.outcome}", [picture, outlined(picture, segmentation.mask)])
                )
                outcomes.append(segmentation.outcome)
        progress.report(context, len(shown), len(due), "masks")
    figures = {kind: float(outcomes.count(kind)) for kind in ("ok", "empty", "full")}
    figures |= {"masks": float(len(due)), "seconds": time.monotonic() - started}
    link = tracker.record(context, f"twig-assets/{here.name}/images", figures)
    return dg.MaterializeResult(metadata={**figures, "masks": len(due), "mlflow": link, "pictures": gallery(shown)})


@dg.asset_check(
    asset=masks,
    partitions_def=prompt_batches,
    description="Every first image has a shape to avoid: its mask is neither empty nor nearly the whole picture.",
)
def masks_usable(
    context: dg.AssetCheckExecutionContext, campaign: CampaignResource, catalog: CatalogResource
) -> dg.AssetCheckResult:
    """Name the prompts whose second image has no shape to avoid."""
    here = campaign.load()
    name = segmenter_name(here)
    outcomes: dict[str, list[str]] = {"ok": [], "empty": [], "full": []}
    with catalog.open().session() as session:
        _, rules = present_rules(session, here)
        for state in prompt_states(session, context.partition_key, rules):
            image = image_of(session, state.prompt.id, "generated", state.attempt, rules)
            mask = mask_of(session, image.id, name) if image else None
            if mask:
                outcomes[mask.outcome].append(state.prompt.text)
    unusable = [f"{outcome}: {text}" for outcome in ("empty", "full") for text in outcomes[outcome]]
    return dg.AssetCheckResult(
        passed=not unusable,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join([f"{len(unusable)} of {sum(map(len, outcomes.values()))} masks not usable", *unusable]),
        metadata={outcome: len(texts) for outcome, texts in outcomes.items()},
    )
