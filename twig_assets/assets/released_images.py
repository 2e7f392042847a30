"""The asset `released_images`: what may be published."""

import dagster as dg
from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.assets.shared.claims import one_run_at_a_time
from twig_assets.assets.shared.partitions import prompt_batches
from twig_assets.assets.shared.thumbnails import gallery
from twig_assets.assets.similarity_audits import similarity_audits
from twig_assets.campaign.rules_in_force import rules_in_force
from twig_assets.catalog.models import Release, utc_now
from twig_assets.compliance.candidates import PromptState, prompt_states
from twig_assets.resources import CampaignResource, CatalogResource, StoreResource


@dg.asset(
    partitions_def=prompt_batches,
    deps=[similarity_audits],
    group_name="release",
    owners=["team:content"],
    kinds={"image"},
    automation_condition=dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed(),
    description="The candidates whose audit passed, or was waived by a person. A release whose image no longer "
    "complies is withdrawn.",
)
@one_run_at_a_time
def released_images(
    context: dg.AssetExecutionContext, campaign: CampaignResource, catalog: CatalogResource, store: StoreResource
) -> dg.MaterializeResult:
    """Bring the release rows of the batch in line with the present verdicts and a person's decisions."""
    here = campaign.load()
    released: list[PromptState] = []
    withdrawn: list[PromptState] = []
    held: list[PromptState] = []
    with catalog.open().session() as session:
        _, rules = rules_in_force(session, here)
        for state in prompt_states(session, context.partition_key, rules):
            if _withdraw(session, state):
                withdrawn.append(state)
            if state.releasable:
                _release(session, state)
            (released if state.releasable else held).append(state)
    artifacts = store.open()
    rows = [(s.prompt.text, [artifacts.read_image(s.candidate.sha256)]) for s in released if s.candidate]
    return dg.MaterializeResult(
        metadata={
            "released": len(released),
            "withdrawn": len(withdrawn),
            "held_back": len(held),
            "held_back_prompts": dg.MetadataValue.md(
                "\n".join(f"- {s.prompt.text}: {_why(s)}" for s in held) or "none"
            ),
            "pictures": gallery(rows),
        }
    )


def _withdraw(session: Session, state: PromptState) -> bool:
    """End the prompt's release if another image or a verdict speaks against it; without a verdict it stands."""
    current = _current(session, state)
    if current is None or state.audit is None or state.candidate is None:
        return False
    same = current.image_id == state.candidate.id
    if same and state.releasable:
        return False
    current.withdrawn_at = utc_now()
    current.reason = f"its image is now: {_why(state)}" if same else "another image took its place"
    session.flush()
    return True


def _release(session: Session, state: PromptState) -> None:
    if state.candidate and state.audit and _current(session, state) is None:
        session.add(Release(prompt_id=state.prompt.id, image_id=state.candidate.id, audit_id=state.audit.id))


def _current(session: Session, state: PromptState) -> Release | None:
    return session.scalars(
        select(Release).where(Release.prompt_id == state.prompt.id, Release.withdrawn_at.is_(None))
    ).first()


def _why(state: PromptState) -> str:
    if state.quarantined:
        return "quarantined"
    if state.decision == "reject":
        return "rejected by a person"
    return state.audit.verdict if state.audit else "not audited"
