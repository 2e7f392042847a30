"""The asset `released_images`: what may be published."""

import dagster as dg
from sqlalchemy import select
from sqlalchemy.orm import Session

from resources import CampaignResource, CatalogResource, StoreResource
from twig_assets.assets.partitions import prompt_batches
from twig_assets.assets.similarity_audits import similarity_audits
from twig_assets.assets.thumbnails import gallery
from twig_assets.catalog.attempts import PromptState, prompt_states
from twig_assets.catalog.models import Release, Review, utc_now
from twig_assets.catalog.serving import serving_model


@dg.asset(
    partitions_def=prompt_batches,
    deps=[similarity_audits],
    group_name="release",
    owners=["team:content"],
    kinds={"image"},
    automation_condition=dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed(),
    description="The candidates whose newest audit passed, or was waived by a person. A release whose image no longer "
    "complies is withdrawn.",
)
def released_images(
    context: dg.AssetExecutionContext, campaign: CampaignResource, catalog: CatalogResource, store: StoreResource
) -> dg.MaterializeResult:
    """Bring the release rows of the batch in line with the newest audits."""
    here = campaign.load()
    released, withdrawn, held = [], [], []
    with catalog.open().session() as session:
        model = serving_model(session, here.name, here.checkpoint)
        for state in prompt_states(session, context.partition_key, model.sha256, here.max_attempts):
            current = session.scalars(
                select(Release).where(Release.prompt_id == state.prompt.id, Release.withdrawn_at.is_(None))
            ).first()
            allowed = _allowed(session, state)
            if current and (not allowed or state.candidate is None or current.image_id != state.candidate.id):
                current.withdrawn_at, current.reason = (
                    utc_now(),
                    "its newest audit no longer allows it, or a newer image took its place",
                )
                withdrawn.append(state)
                current = None
            if allowed and current is None and state.candidate and state.audit:
                session.add(Release(prompt_id=state.prompt.id, image_id=state.candidate.id, audit_id=state.audit.id))
            (released if allowed else held).append(state)
    artifacts = store.open()
    rows = [(s.prompt.text, [artifacts.read_image(s.candidate.sha256)]) for s in released if s.candidate]
    return dg.MaterializeResult(
        metadata={
            "released": len(released),
            "withdrawn": len(withdrawn),
            "held_back": len(held),
            "held_back_prompts": dg.MetadataValue.md("\n".join(f"- {_why(s)}" for s in held) or "none"),
            "pictures": gallery(rows),
        }
    )


def _allowed(session: Session, state: PromptState) -> bool:
    if state.audit is None:
        return False
    review = session.scalars(
        select(Review).where(Review.audit_id == state.audit.id).order_by(Review.id.desc()).limit(1)
    ).first()
    if review is not None:
        return review.decision == "waive"
    return state.audit.verdict == "pass"


def _why(state: PromptState) -> str:
    verdict = state.audit.verdict if state.audit else "not audited"
    return f"{state.prompt.text}: {'quarantined' if state.quarantined else verdict}"
