"""The foreground of a batch's first images, by the source that the campaign chose."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twig_assets.campaign import Campaign, CampaignError
from twig_assets.campaign.protected_terms import terms_of
from twig_assets.campaign.rules_in_force import rules_in_force, segmenter_name
from twig_assets.catalog.models import Image, Model, Prompt
from twig_assets.compliance.attempts.batch import Batch, Made, Models, Report
from twig_assets.compliance.attempts.mask_rows import first_masks, write_mask
from twig_assets.prompts import check_prompts, read_prompts
from twig_assets.segmentation import Segmentation, SourcedMask, bright_ending, masks_from

CHUNK = 16


@dataclass(frozen=True, eq=False)
class FirstMask:
    """A mask that was made of a first image.

    Attributes:
        text: The prompt's text.
        pixels: The image, uint8 (H, W, 3).
        mask: Its mask.
    """

    text: str
    pixels: np.ndarray
    mask: SourcedMask


def mask_first_images(batch: Batch, models: Models, report: Report) -> Made[FirstMask]:
    """Segment the first images that have no mask of the campaign's segmenter yet. Opens no model if all have one.

    Args:
        batch: The batch.
        models: Opens the segmenter, and the generator where its attention is asked for.
        report: Called after each chunk.

    Raises:
        NotMaterializedError: If no model serves the campaign.
        CampaignError: If the campaign names a place for a prompt that it does not have.
    """
    segmenter = segmenter_name(batch.campaign)
    with batch.catalog.session() as session:
        model, rules = rules_in_force(session, batch.campaign)
        rows = first_masks(session, batch.key, rules, segmenter)
        due = [(prompt, image) for prompt, image, mask in rows if image is not None and mask is None]
    if not due:
        return Made([], 0.0)
    check_places(batch.campaign)
    made: list[FirstMask] = []
    started = time.monotonic()
    for start in range(0, len(due), CHUNK):
        chunk = due[start : start + CHUNK]
        pictures = np.stack([batch.store.read_image(image.sha256) for _, image in chunk])
        masks = _masks(batch, models, model, chunk, pictures)
        with batch.catalog.session() as session:
            for (prompt, image), picture, mask in zip(chunk, pictures, masks, strict=True):
                write_mask(session, batch.store, image.id, segmenter, mask)
                made.append(FirstMask(prompt.text, picture, mask))
        report(len(made), len(due))
    return Made(made, time.monotonic() - started)


def check_places(campaign: Campaign) -> None:
    """Refuse places for prompts that the campaign does not have: a misspelled one would be ignored unnoticed.

    Raises:
        CampaignError: With the prompts that are named and do not exist.
    """
    if not campaign.masks.places:
        return
    checked = check_prompts(read_prompts(campaign.folder), terms_of(campaign), campaign.prompt_check)
    unknown = sorted(set(campaign.masks.places) - {prompt.row.text for prompt in checked})
    if unknown:
        raise CampaignError(
            f"{campaign.settings_file}: masks.places: no prompt is drawn as {', '.join(map(repr, unknown))}; write "
            f"each as the asset prompts shows it"
        )


def _masks(
    batch: Batch, models: Models, model: Model, chunk: Sequence[tuple[Prompt, Image]], pictures: np.ndarray
) -> list[SourcedMask]:
    """The masks of first images, uint8 (n, H, W, 3); the generator is opened only where its attention is asked for."""
    campaign = batch.campaign

    def endings(positions: list[int]) -> tuple[list[Segmentation], np.ndarray]:
        pipeline = models.serving(campaign, model, batch.store)
        texts = [chunk[i][0].text for i in positions]
        seeds = [chunk[i][1].seed for i in positions]
        return bright_ending(pipeline, texts, seeds, campaign.generation, campaign.segmentation)

    return masks_from(
        pictures,
        [prompt.text for prompt, _ in chunk],
        lambda: models.segmenter(campaign),
        endings,
        campaign.masks,
        campaign.segmentation,
    )
