"""The asset `masks`: the foreground of every first image."""

import time
from collections import Counter
from collections.abc import Sequence

import dagster as dg
import numpy as np

from twig_assets.assets.generated_images import generated_images
from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.mask_rows import write_mask
from twig_assets.assets.shared.partitions import prompt_batches
from twig_assets.assets.shared.thumbnails import gallery, outlined
from twig_assets.campaign import Campaign
from twig_assets.campaign.protected_terms import terms_of
from twig_assets.campaign.rules_in_force import rules_in_force, segmenter_name
from twig_assets.catalog.models import Image, Model, Prompt
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.candidates import image_of, mask_of, prompt_states
from twig_assets.prompts import check_prompts, read_prompts
from twig_assets.resources import (
    CampaignResource,
    CatalogResource,
    ModelResource,
    ProgressResource,
    StoreResource,
    TrackerResource,
)
from twig_assets.segmentation import Segmentation, SourcedMask, bright_ending, masks_from

CHUNK = 16


@dg.asset(
    partitions_def=prompt_batches,
    deps=[generated_images],
    group_name="images",
    owners=["team:ml"],
    kinds={"pytorch", "mlflow"},
    description="Segment Anything on every first image: the union of its foreground masks, and the ranked list "
    "they come from; or what the campaign's `masks` names instead: a box, a point, the generator's own attention. "
    "Where no object is found, or the mask covers nearly everything, the row says so.",
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
        model, rules = rules_in_force(session, here)
        states = prompt_states(session, context.partition_key, rules)
        images = [image_of(session, s.prompt.id, "generated", s.attempt, rules) for s in states]
        due = [(s.prompt, i) for s, i in zip(states, images, strict=True) if i and not mask_of(session, i.id, name)]
    if not due:
        return dg.MaterializeResult(metadata={"masks": 0, "model_work": "none: every mask is there already"})
    _check_places(here)
    artifacts, started = store.open(), time.monotonic()
    shown: list[tuple[str, list[np.ndarray]]] = []
    made: list[SourcedMask] = []
    for start in range(0, len(due), CHUNK):
        chunk = due[start : start + CHUNK]
        pictures = np.stack([artifacts.read_image(image.sha256) for _, image in chunk])
        found = _masks(here, models, artifacts, model, chunk, pictures)
        with catalog.open().session() as session:
            for (prompt, image), picture, one in zip(chunk, pictures, found, strict=True):
                write_mask(session, artifacts, image.id, name, one)
                shown.append((_caption(prompt.text, one), [picture, outlined(picture, one.segmentation.mask)]))
        made += found
        progress.report(context, len(shown), len(due), "masks")
    outcomes, sources = Counter(one.segmentation.outcome for one in made), Counter(one.source for one in made)
    figures = {kind: float(outcomes[kind]) for kind in ("ok", "empty", "full")}
    figures |= {source: float(count) for source, count in sources.items() if source != "automatic"}
    figures |= {"masks": float(len(due)), "seconds": time.monotonic() - started}
    link = tracker.record(context, f"twig-assets/{here.name}/images", figures)
    return dg.MaterializeResult(metadata={**figures, "masks": len(due), "mlflow": link, "pictures": gallery(shown)})


def _masks(
    campaign: Campaign,
    models: ModelResource,
    store: ArtifactStore,
    model: Model,
    chunk: Sequence[tuple[Prompt, Image]],
    pictures: np.ndarray,
) -> list[SourcedMask]:
    """The masks of a chunk of first images; the generator is opened only where its attention is asked for."""

    def endings(at: list[int]) -> tuple[list[Segmentation], np.ndarray]:
        pipeline = models.composed(campaign, {key: store.read(key, "safetensors") for key in model.applied})
        prompts = [chunk[i][0].text for i in at]
        seeds = [chunk[i][1].seed for i in at]
        return bright_ending(pipeline, prompts, seeds, campaign.generation, campaign.segmentation)

    return masks_from(
        pictures,
        [prompt.text for prompt, _ in chunk],
        lambda: models.segmenter(campaign),
        endings,
        campaign.masks,
        campaign.segmentation,
    )


def _check_places(campaign: Campaign) -> None:
    """Refuse places for prompts that the campaign does not have: a misspelled one would be lost in silence."""
    if not campaign.masks.places:
        return
    checked = check_prompts(read_prompts(campaign.folder), terms_of(campaign), campaign.prompt_check)
    unknown = sorted(set(campaign.masks.places) - {one.row.text for one in checked})
    if unknown:
        raise dg.Failure(
            f"{campaign.settings_file}: masks.places: no prompt is drawn as {', '.join(map(repr, unknown))}; write "
            f"each as the asset prompts shows it",
            allow_retries=False,
        )


def _caption(text: str, mask: SourcedMask) -> str:
    said = "" if mask.source == "automatic" else f", {mask.source.replace('_', ' ')}"
    return f"{text}: {mask.segmentation.outcome}{said}"


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
        _, rules = rules_in_force(session, here)
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
