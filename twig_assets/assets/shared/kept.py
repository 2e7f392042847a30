"""Pictures of what a batch has already, so that a run without work does not leave its page without any."""

from collections.abc import Sequence

import dagster as dg
import numpy as np

from twig_assets.assets.shared.thumbnails import SHOWN, gallery, outlined
from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import rules_in_force, segmenter_name
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import Image, Mask, Reference
from twig_assets.catalog.store import ArtifactError, ArtifactStore
from twig_assets.compliance.candidates import image_of, mask_of, prompt_states
from twig_assets.reports.pictures import reference_content
from twig_assets.similarity.corpus.decode import decode


def kept_pictures(
    key: str, campaign: Campaign, catalog: Catalog, store: ArtifactStore, parts: Sequence[str]
) -> dg.MarkdownMetadataValue:
    """The first prompts of a batch with their pictures.

    Args:
        key: The batch's key.
        campaign: Its campaign.
        catalog: Its rows.
        store: Its files.
        parts: What is shown of each: `first` image, its `mask`, and the `second` one, which is the candidate.
    """
    with catalog.snapshot() as session:
        _, rules = rules_in_force(session, campaign)
        states = prompt_states(session, key, rules)
        rows: list[tuple[str, Image | None, Mask | None, Image | None]] = []
        for state in states[:SHOWN]:
            first = image_of(session, state.prompt.id, "generated", 0, rules)
            mask = mask_of(session, first.id, segmenter_name(campaign)) if first else None
            rows.append((state.prompt.text, first, mask, state.candidate))
    shown = []
    for text, first, mask, second in rows:
        pictures = {"first": _pixels(store, first), "second": _pixels(store, second), "mask": None}
        if pictures["first"] is not None:
            pictures["mask"] = _masked(store, pictures["first"], mask)
        shown.append((text, [picture for part in parts if (picture := pictures[part]) is not None]))
    return gallery(shown, of=len(states))


def kept_audits(key: str, campaign: Campaign, catalog: Catalog, store: ArtifactStore) -> dg.MarkdownMetadataValue:
    """The candidates of a batch beside the works that they come nearest to, the nearest pair first."""
    with catalog.snapshot() as session:
        _, rules = rules_in_force(session, campaign)
        audited = [state for state in prompt_states(session, key, rules) if state.audit and state.candidate]
        audited.sort(key=lambda state: -((state.audit.scores.get("ssim") if state.audit else None) or 0.0))
        rows = [
            (f"{s.audit.verdict}: {s.audit.reasons[0]} ({s.prompt.text})", s.candidate, s.audit.nearest_reference)
            for s in audited[:SHOWN]
            if s.audit
        ]
    shown = []
    for caption, image, work in rows:
        pictures = (_pixels(store, image), _work(store, work, campaign))
        shown.append((caption, [picture for picture in pictures if picture is not None]))
    return gallery(shown, of=len(audited))


def pixels_of(store: ArtifactStore, image: Image) -> list[np.ndarray]:
    """The picture of an image, for a gallery; empty if its file is gone."""
    pixels = _pixels(store, image)
    return [] if pixels is None else [pixels]


def _pixels(store: ArtifactStore, image: Image | None) -> np.ndarray | None:
    """The pixels of an image; None where there is none or its file is gone, which `twig verify` says."""
    try:
        return store.read_image(image.sha256) if image else None
    except ArtifactError:
        return None


def _masked(store: ArtifactStore, first: np.ndarray, mask: Mask | None) -> np.ndarray | None:
    try:
        return outlined(first, store.read_image(mask.sha256)) if mask and mask.sha256 else None
    except ArtifactError:
        return None


def _work(store: ArtifactStore, work: Reference | None, campaign: Campaign) -> np.ndarray | None:
    try:
        return decode(reference_content(store, work, campaign.references_folder)).pixels if work else None
    except (ArtifactError, OSError, ValueError):
        return None
