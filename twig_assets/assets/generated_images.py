"""The asset `generated_images`: the first image of every prompt that is due."""

import dagster as dg

from twig_assets.assets.composed_model import composed_model
from twig_assets.assets.prompts import prompts
from twig_assets.assets.shared.batch import work_on_batch
from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.kept import kept_pictures
from twig_assets.assets.shared.partitions import prompt_batches
from twig_assets.assets.shared.thumbnails import gallery, sheet
from twig_assets.campaign.speeds import remember_seconds
from twig_assets.resources import (
    CampaignsResource,
    CatalogResource,
    EngineResource,
    ModelResource,
    ProgressResource,
    StoreResource,
    TrackerResource,
)


@dg.asset(
    config_schema={},
    partitions_def=prompt_batches,
    deps=[prompts, composed_model],
    group_name="images",
    owners=["team:ml"],
    kinds={"diffusers", "mlflow"},
    pool="gpu",
    description="TWIG's first step: an image per prompt, from the composed model. On a rerun only prompts whose last "
    "attempt failed its audit are drawn again, with a new seed.",
)
@one_run_at_a_time
def generated_images(
    context: dg.AssetExecutionContext,
    campaigns: CampaignsResource,
    catalog: CatalogResource,
    store: StoreResource,
    models: ModelResource,
    tracker: TrackerResource,
    progress: ProgressResource,
    engine: EngineResource,
) -> dg.MaterializeResult:
    """Draw the first images that are missing."""
    from twig_assets.compliance.attempts.first_images import draw_first_images

    batch, drawn = work_on_batch(
        draw_first_images, "images", context, campaigns, catalog, store, models, progress, engine
    )
    if not drawn.items:
        kept = kept_pictures(batch.key, batch.campaign, batch.catalog, batch.store, ["first"])
        work = "none: every image is there already"
        return dg.MaterializeResult(metadata={"images": 0, "model_work": work, "pictures": kept})
    count, seconds = len(drawn.items), drawn.seconds
    remember_seconds(batch.campaign, seconds / count)
    figures = {"images": float(count), "seconds": seconds, "seconds_per_image": seconds / count}
    pictures = {"generated.png": sheet([[image.pixels] for image in drawn.items])}
    captions = [f"{image.prompt.prompt.text} (attempt {image.prompt.attempt})" for image in drawn.items]
    link = tracker.record(
        context,
        f"twig-assets/{batch.campaign.name}/images",
        figures,
        pictures=pictures,
        captions=captions,
        each="the first image",
    )
    rows = [(caption, [image.pixels]) for caption, image in zip(captions, drawn.items, strict=True)]
    return dg.MaterializeResult(metadata={**figures, "images": count, "mlflow": link, "pictures": gallery(rows)})
