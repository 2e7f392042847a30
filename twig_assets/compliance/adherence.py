"""How much the candidates of a batch show their prompts, in the opinion of CLIP."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sqlalchemy import update

from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import Image
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.candidates import PromptState
from twig_assets.judge.adherence import margins
from twig_assets.judge.clip import clip_similarity


def adherence_of(
    states: list[PromptState], catalog: Catalog, store: ArtifactStore, open_clip: Callable[[], Any]
) -> list[tuple[PromptState, float | None]]:
    """The margin of every candidate by which it is nearer to its own prompt than to the batch's others.

    A margin is computed once and kept beside the image. In a batch of one prompt there is nothing to compare with.

    Args:
        states: All prompts of a batch.
        catalog: Keeps the margins.
        store: Holds the images.
        open_clip: Opens CLIP and its processor; called only if a margin is missing.

    Returns:
        Every prompt that has a candidate, with its margin, -2 to 2 (see `judge.adherence`), or None.
    """
    known = {s.candidate.id: s.candidate.adherence for s in states if s.candidate}
    due = [(i, s.candidate) for i, s in enumerate(states) if s.candidate and s.candidate.adherence is None]
    if due and len(states) > 1:
        pictures = [store.read_image(image.sha256) for _, image in due]
        similarity = clip_similarity(open_clip(), np.stack(pictures), [s.prompt.text for s in states])
        computed = margins(similarity, [i for i, _ in due])
        with catalog.session() as session:
            for (_, image), margin in zip(due, computed, strict=True):
                session.execute(update(Image).where(Image.id == image.id).values(adherence=float(margin)))
                known[image.id] = float(margin)
    return [(s, known[s.candidate.id]) for s in states if s.candidate]
