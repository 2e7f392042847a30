"""TWIG's first step for a batch: the first image of every prompt, from the model that serves.

It is drawn once. Every attempt at the second image avoids the same first one, so that a rerun costs one image, not two.
"""

import time
from dataclasses import dataclass

import numpy as np

from twig_assets.campaign.rules_in_force import generated_settings, rules_in_force
from twig_assets.catalog.models import Image
from twig_assets.compliance.attempts.batch import Batch, Made, Marked, Models, Report
from twig_assets.compliance.attempts.drawing import FirstChunk, drawn_firsts
from twig_assets.compliance.attempts.spreading import draws
from twig_assets.compliance.candidates import PromptState, attempt_seed, missing_images, prompt_states


@dataclass(frozen=True, eq=False)
class FirstImage:
    """An image that was drawn.

    Attributes:
        prompt: The prompt.
        pixels: uint8 (H, W, 3).
    """

    prompt: PromptState
    pixels: np.ndarray


def draw_first_images(batch: Batch, models: Models, report: Report) -> Made[FirstImage]:
    """Draw the first image of every prompt that has none. No model is opened if all have one.

    Args:
        batch: The batch.
        models: Opens the generator.
        report: Called after each chunk.

    Raises:
        NotMaterializedError: If no model serves the campaign.
    """
    campaign = batch.campaign
    with batch.catalog.session() as session:
        model, rules = rules_in_force(session, campaign)
        due = missing_images(session, prompt_states(session, batch.key, rules), "generated", rules)
    if not due:
        return Made([], 0.0)
    # A first image that is never published stays as it was drawn, and so does what is made of it.
    mark = batch.marker if rules.first_images else Marked
    size = campaign.generation.batch_size
    chunks = [due[start : start + size] for start in range(0, len(due), size)]
    orders = [
        FirstChunk([s.prompt.text for s in chunk], [attempt_seed(s.prompt.seed, "generated", 0) for s in chunk])
        for chunk in chunks
    ]
    drawn: list[FirstImage] = []
    drawing = draws(batch, models, model, drawn_firsts)
    started = time.monotonic()
    for chunk, order, pictures in zip(chunks, orders, drawing(orders), strict=True):
        marked = [mark(picture) for picture in pictures]
        hashes = [batch.store.put_image(picture.pixels) for picture in marked]
        with batch.catalog.session() as session:
            images = [
                Image(
                    sha256=sha256,
                    prompt_id=s.prompt.id,
                    stage="generated",
                    attempt=0,
                    seed=seed,
                    model_id=model.id,
                    settings=generated_settings(campaign),
                    settings_sha256=rules.generated,
                    run_id=batch.run_id,
                )
                for s, seed, sha256 in zip(chunk, order.seeds, hashes, strict=True)
            ]
            session.add_all(images)
            session.add_all(row for image, of in zip(images, marked, strict=True) for row in of.row(image))
        drawn += [FirstImage(s, picture.pixels) for s, picture in zip(chunk, marked, strict=True)]
        report(len(drawn), len(due))
    return Made(drawn, time.monotonic() - started)
