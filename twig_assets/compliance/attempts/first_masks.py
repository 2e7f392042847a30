"""The foreground of a batch's first images, by the source that the campaign chose."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from twig_assets.campaign import Campaign, CampaignError
from twig_assets.campaign.protected_terms import terms_of
from twig_assets.campaign.rules_in_force import rules_in_force, segmenter_name
from twig_assets.catalog.models import Image, Prompt
from twig_assets.compliance.attempts.batch import Batch, Made, Models, Report
from twig_assets.compliance.attempts.drawing import MaskChunk, masked_firsts
from twig_assets.compliance.attempts.mask_rows import first_masks, write_mask
from twig_assets.compliance.attempts.spreading import draws
from twig_assets.prompts import check_prompts, read_prompts
from twig_assets.segmentation import SourcedMask


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
    size = batch.campaign.generation.batch_size
    masking = draws(batch, models, model, masked_firsts, "masks")
    handed_out: deque[tuple[list[tuple[Prompt, Image]], MaskChunk]] = deque()

    def orders() -> Iterator[MaskChunk]:
        # Taken one after the other, as workers get free: not all first images are read at once.
        for chunk in (due[start : start + size] for start in range(0, len(due), size)):
            handed_out.append((chunk, _order(batch, chunk)))
            yield handed_out[-1][1]

    made: list[FirstMask] = []
    started = time.monotonic()
    for masks in masking(orders()):
        chunk, order = handed_out.popleft()
        with batch.catalog.session() as session:
            for (prompt, image), picture, mask in zip(chunk, order.firsts, masks, strict=True):
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


def _order(batch: Batch, chunk: list[tuple[Prompt, Image]]) -> MaskChunk:
    """First images to segment, with what they were drawn from."""
    firsts = np.stack([batch.store.read_image(image.sha256) for _, image in chunk])
    texts, seeds = [prompt.text for prompt, _ in chunk], [image.seed for _, image in chunk]
    return MaskChunk(texts, seeds, firsts, batch.campaign.masks)
