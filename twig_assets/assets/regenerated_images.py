"""The asset `regenerated_images`: every prompt again, away from the first image's shape."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np

from twig_assets.assets.masks import masks
from twig_assets.assets.shared.batch import work_on_batch
from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.kept import kept_pictures
from twig_assets.assets.shared.partitions import prompt_batches
from twig_assets.assets.shared.thumbnails import gallery, outlined, sheet
from twig_assets.resources import (
    CampaignsResource,
    CatalogResource,
    EngineResource,
    ModelResource,
    ProgressResource,
    StoreResource,
    TrackerResource,
)

if TYPE_CHECKING:  # it loads torch
    from twig_assets.compliance.attempts.second_images import SecondImage

_IN_CAPTIONS = {"location_iou": "location IoU", "form_iou": "form IoU", "ssim_first": "SSIM to the first"}


@dg.asset(
    config_schema={},
    partitions_def=prompt_batches,
    deps=[masks],
    group_name="images",
    owners=["team:ml"],
    kinds={"diffusers", "mlflow"},
    pool="gpu",
    description="TWIG's second step: the prompt again with another seed, away from the first image's shape and from "
    "the nearest protected works. Reports how far the two shapes overlap, in place and in form. Where the first "
    "image has no usable mask there is no shape to avoid; then only what the model has memorised is kept from coming "
    "again, and the image says so.",
)
@one_run_at_a_time
def regenerated_images(
    context: dg.AssetExecutionContext,
    campaigns: CampaignsResource,
    catalog: CatalogResource,
    store: StoreResource,
    models: ModelResource,
    tracker: TrackerResource,
    progress: ProgressResource,
    engine: EngineResource,
) -> dg.MaterializeResult:
    """Draw the second images that are missing."""
    from twig_assets.compliance.attempts.second_images import draw_second_images

    batch, drawn = work_on_batch(
        draw_second_images, "images", context, campaigns, catalog, store, models, progress, engine
    )
    if not drawn.items:
        pictures = kept_pictures(batch.key, batch.campaign, batch.catalog, batch.store, ["first", "mask", "second"])
        work = "none: every image is there already"
        return dg.MaterializeResult(metadata={"images": 0, "model_work": work, "pictures": pictures})
    figures = {"images": float(len(drawn.items)), "seconds": drawn.seconds, **_means(drawn.items)}
    triples = [[image.first, outlined(image.first, image.shape), image.second] for image in drawn.items]
    settings = batch.campaign.regeneration
    link = tracker.record(
        context,
        f"twig-assets/{batch.campaign.name}/images",
        figures,
        {"strategy": " + ".join(settings.strategies), "strength": str(settings.strength)},
        {"first-mask-second.png": sheet(triples)},
        captions=[_caption(image) for image in drawn.items],
        each="the first image, its mask, the second image",
    )
    pictures = gallery([(_caption(image), triple) for image, triple in zip(drawn.items, triples, strict=True)])
    return dg.MaterializeResult(metadata={**figures, "images": len(drawn.items), "mlflow": link, "pictures": pictures})


def _caption(image: "SecondImage") -> str:
    figures = ", ".join(
        f"{name} {image.figures[key]:.2f}" for key, name in _IN_CAPTIONS.items() if key in image.figures
    )
    return f"{image.prompt.prompt.text} (attempt {image.attempt}; {figures})"


def _means(drawn: Sequence["SecondImage"]) -> dict[str, float]:
    """The mean of each figure over the images that have it; `shapes` is how many have both shapes."""
    figures = [image.figures for image in drawn]
    names = dict.fromkeys(name for values in figures for name in values if name != "shapes")
    means = {name: float(np.mean([values[name] for values in figures if name in values])) for name in names}
    return {**means, "shapes": sum(values["shapes"] for values in figures)}
