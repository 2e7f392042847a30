"""What came of every prompt of a campaign, read from its catalog and artifact store."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from twig_assets.bench.campaigns.end_to_end.asked import Asked
from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import Rules, rules_in_force
from twig_assets.catalog.database import open_existing_catalog
from twig_assets.catalog.models import Image
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.candidates import PromptState, image_of, prompt_states
from twig_assets.prompts import batches, read_prompts
from twig_assets.settings.home import artifact_root, catalog_url


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a prompt.

    Attributes:
        asked: The prompt.
        state: Its candidate's, in a word of `CandidateState`.
        attempts: How many second images were drawn.
        plain: The first image of the first attempt, which is the plain sampler's, uint8 (H, W, 3); None without one.
        candidate: The image that would be released, or is, likewise.
        released: The image that is published; None without one.
        adherence: What the campaign's judge says of the candidate: the verdict in a word; None without one.
        reason: Why the candidate is not released; empty if it is.
    """

    asked: Asked
    state: str
    attempts: int
    plain: np.ndarray | None
    candidate: np.ndarray | None
    released: np.ndarray | None
    adherence: str | None
    reason: str


def read_outcomes(campaign: Campaign, asked: Sequence[Asked]) -> list[Outcome]:
    """The outcomes of a campaign that was run, in the order of its prompts.

    Args:
        campaign: It; the environment names its catalog and store.
        asked: Its prompts, in order.

    Raises:
        ValueError: If the catalog holds other prompts.
    """
    catalog, store = open_existing_catalog(catalog_url()), ArtifactStore(artifact_root())
    try:
        with catalog.snapshot() as session:
            _, rules = rules_in_force(session, campaign)
            keys = [key for key, _ in batches(read_prompts(campaign.folder), campaign.name, campaign.batch_size)]
            states = [state for key in keys for state in prompt_states(session, key, rules)]
            if [(state.prompt.text, state.prompt.seed) for state in states] != [(a.text, a.seed) for a in asked]:
                raise ValueError(f"campaign {campaign.name}: the catalog holds other prompts than the benchmark's")
            return [_outcome(session, store, rules, *pair) for pair in zip(asked, states, strict=True)]
    finally:
        catalog.close()


def _outcome(session: Session, store: ArtifactStore, rules: Rules, asked: Asked, state: PromptState) -> Outcome:
    def pixels(image: Image | None) -> np.ndarray | None:
        return None if image is None else store.read_image(image.sha256)

    return Outcome(
        asked=asked,
        state=state.state.value,
        attempts=state.attempts,
        plain=pixels(image_of(session, state.prompt.id, "generated", 0, rules)),
        candidate=pixels(state.candidate),
        released=pixels(state.release.image if state.release else None),
        adherence=state.adherence.verdict if state.adherence else None,
        reason="" if state.release else _reason(state),
    )


def _reason(state: PromptState) -> str:
    """What the verdicts say of a candidate, the audit's first."""
    audited = state.audit.reasons if state.audit and state.audit.verdict != "pass" else []
    return "; ".join([*audited, *([state.adherence.reason] if state.adherence else [])]) or "no verdict"
