"""The asset `masks`: the foreground of every first image."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from twig_assets.assets.generated_images import generated_images
from twig_assets.assets.shared.batch import work_on_batch
from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.kept import kept_pictures
from twig_assets.assets.shared.lines import described
from twig_assets.assets.shared.partitions import prompt_batches
from twig_assets.assets.shared.thumbnails import gallery, outlined, sheet
from twig_assets.campaign.rules_in_force import rules_in_force, segmenter_name
from twig_assets.compliance.attempts.mask_rows import first_masks
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
    from twig_assets.compliance.attempts.first_masks import FirstMask
_EACH = "the first image, and the same with everything outside its mask faded"


@dg.asset(
    config_schema={},
    partitions_def=prompt_batches,
    deps=[generated_images],
    group_name="images",
    owners=["team:ml"],
    kinds={"pytorch", "mlflow"},
    pool="gpu",
    description="Segment Anything on every first image: the union of its foreground masks, and the ranked list "
    "they come from; or what the campaign's `masks` names instead: a box, a point, the generator's own attention. "
    "Where no object is found, or the mask covers nearly everything, the row says so.",
)
@one_run_at_a_time
def masks(
    context: dg.AssetExecutionContext,
    campaigns: CampaignsResource,
    catalog: CatalogResource,
    store: StoreResource,
    models: ModelResource,
    tracker: TrackerResource,
    progress: ProgressResource,
    engine: EngineResource,
) -> dg.MaterializeResult:
    """Segment the first images that have no mask by this segmenter with these settings yet."""
    from twig_assets.compliance.attempts.first_masks import mask_first_images

    batch, made = work_on_batch(
        mask_first_images, "masks", context, campaigns, catalog, store, models, progress, engine
    )
    if not made.items:
        kept = kept_pictures(batch.key, batch.campaign, batch.catalog, batch.store, ["first", "mask"])
        work = "none: every mask is there already"
        return dg.MaterializeResult(metadata={"masks": 0, "model_work": work, "pictures": kept})
    figures = {**_counts(made.items), "masks": float(len(made.items)), "seconds": made.seconds}
    pairs = [[m.pixels, outlined(m.pixels, m.mask.segmentation.mask)] for m in made.items]
    captions = [_caption(m) for m in made.items]
    pictures = {"image-mask.png": sheet(pairs)}
    experiment = f"twig-assets/{batch.campaign.name}/images"
    link = tracker.record(context, experiment, figures, pictures=pictures, captions=captions, each=_EACH)
    rows = list(zip(captions, pairs, strict=True))
    return dg.MaterializeResult(
        metadata={**figures, "masks": len(made.items), "mlflow": link, "pictures": gallery(rows)}
    )


@dg.asset_check(
    asset=masks,
    partitions_def=prompt_batches,
    description="Every first image has a shape to avoid: its mask is neither empty nor nearly the whole picture.",
)
def masks_usable(
    context: dg.AssetCheckExecutionContext, campaigns: CampaignsResource, catalog: CatalogResource
) -> dg.AssetCheckResult:
    """Name the prompts whose second image has no shape to avoid."""
    settings = campaigns.of_batch(context.partition_key)
    outcomes: dict[str, list[str]] = {"ok": [], "empty": [], "full": []}
    with catalog.open().session() as session:
        _, rules = rules_in_force(session, settings)
        for prompt, _, mask in first_masks(session, context.partition_key, rules, segmenter_name(settings)):
            if mask:
                outcomes[mask.outcome].append(prompt.text)
    unusable = [f"{outcome}: {text}" for outcome in ("empty", "full") for text in outcomes[outcome]]
    return dg.AssetCheckResult(
        passed=not unusable,
        severity=dg.AssetCheckSeverity.WARN,
        description=described([f"{len(unusable)} of {sum(map(len, outcomes.values()))} masks not usable", *unusable]),
        metadata={outcome: len(texts) for outcome, texts in outcomes.items()},
    )


def _counts(made: Sequence["FirstMask"]) -> dict[str, float]:
    """How many masks have which outcome, and how many come from which source other than the usual one."""
    outcomes = Counter(mask.mask.segmentation.outcome for mask in made)
    sources = Counter(mask.mask.source for mask in made if mask.mask.source != "automatic")
    counts = {outcome: float(outcomes[outcome]) for outcome in ("ok", "empty", "full")}
    return counts | {source: float(count) for source, count in sources.items()}


def _caption(made: "FirstMask") -> str:
    source = "" if made.mask.source == "automatic" else f", {made.mask.source.replace('_', ' ')}"
    return f"{made.text}: {made.mask.segmentation.outcome}{source}"
