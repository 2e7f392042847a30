"""The asset `generated_images`: the first image of every prompt that is due."""

import time

import dagster as dg
import numpy as np

from twig_assets.assets.composed_model import composed_model
from twig_assets.assets.prompts import prompts
from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.partitions import prompt_batches
from twig_assets.assets.shared.thumbnails import gallery, sheet
from twig_assets.campaign.rules_in_force import generated_settings, rules_in_force
from twig_assets.catalog.models import Image
from twig_assets.compliance.candidates import attempt_seed, missing_images, prompt_states
from twig_assets.generation import generate
from twig_assets.resources import (
    CampaignResource,
    CatalogResource,
    ModelResource,
    ProgressResource,
    StoreResource,
    TrackerResource,
)


@dg.asset(
    partitions_def=prompt_batches,
    deps=[prompts, composed_model],
    group_name="images",
    owners=["team:ml"],
    kinds={"diffusers", "mlflow"},
    description="TWIG's first step: an image per prompt, from the composed model. On a rerun only prompts whose last "
    "attempt failed its audit are drawn again, with a new seed.",
)
@one_run_at_a_time
def generated_images(
    context: dg.AssetExecutionContext,
    campaign: CampaignResource,
    catalog: CatalogResource,
    store: StoreResource,
    models: ModelResource,
    tracker: TrackerResource,
    progress: ProgressResource,
) -> dg.MaterializeResult:
    """Draw what the catalog says is missing, a chunk at a time, so that an interrupted run goes on where it was."""
    here = campaign.load()
    with catalog.open().session() as session:
        model, rules = rules_in_force(session, here)
        due = missing_images(session, prompt_states(session, context.partition_key, rules), "generated", rules)
    if not due:
        return dg.MaterializeResult(metadata={"images": 0, "model_work": "none: every image is there already"})
    artifacts = store.open()
    pipeline = models.composed(here, {key: artifacts.read(key, "safetensors") for key in model.applied})
    shown, started = [], time.monotonic()
    for start in range(0, len(due), here.generation.batch_size):
        chunk = due[start : start + here.generation.batch_size]
        seeds = [attempt_seed(s.prompt.seed, "generated", s.attempt) for s in chunk]
        pictures = generate(pipeline, [s.prompt.text for s in chunk], seeds, here.generation)
        hashes = [artifacts.put_image(picture) for picture in pictures]
        with catalog.open().session() as session:
            session.add_all(
                Image(
                    sha256=sha256,
                    prompt_id=s.prompt.id,
                    stage="generated",
                    attempt=s.attempt,
                    seed=seed,
                    model_id=model.id,
                    settings=generated_settings(here),
                    settings_sha256=rules.generated,
                    run_id=context.run.run_id,
                )
                for s, seed, sha256 in zip(chunk, seeds, hashes, strict=True)
            )
        shown += list(pictures)
        progress.report(context, len(shown), len(due))
    seconds = time.monotonic() - started
    figures = {"images": float(len(due)), "seconds": seconds, "seconds_per_image": seconds / len(due)}
    link = tracker.record(
        context, f"twig-assets/{here.name}/images", figures, pictures={"generated.png": sheet(np.stack(shown))}
    )
    rows = [(f"{s.prompt.text} (attempt {s.attempt})", [p]) for s, p in zip(due, shown, strict=True)]
    return dg.MaterializeResult(metadata={**figures, "images": len(due), "mlflow": link, "pictures": gallery(rows)})
