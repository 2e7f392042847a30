"""Giving published images a verdict of the day before a report says that they have one."""

from collections.abc import Callable

from sqlalchemy import select

from twig_assets.campaign import Campaign
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import Image, Prompt, PromptBatch, Release
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance import enforce
from twig_assets.compliance.auditing import audit_images
from twig_assets.reports.data import Recheck


def recheck_published(
    campaign: Campaign, catalog: Catalog, store: ArtifactStore, run_id: str, report: Callable[[int, int], None]
) -> Recheck:
    """Audit the published images that have no verdict under the policy and corpus in force, and withdraw what fails.

    Args:
        campaign: The campaign.
        catalog: Its rows.
        store: Its files.
        run_id: The Dagster run, named as the author of verdicts.
        report: Called after each chunk with how many images are scored, and of how many.

    Raises:
        NotMaterializedError: If images are published and there is no corpus, or the works have changed since.
    """
    published = (
        select(Release.image_id)
        .join(Prompt, Prompt.id == Release.prompt_id)
        .join(PromptBatch)
        .where(PromptBatch.campaign == campaign.name, Release.withdrawn_at.is_(None))
    )
    with catalog.session() as session:
        count = len(session.scalars(published).all())
    if not count:
        return Recheck(published=0, standing=0, rejudged=0, scored=0, withdrawn=[])
    audited = audit_images(campaign, catalog, store, Image.id.in_(published), run_id, report)
    with catalog.session() as session:
        withdrawn = enforce(session, campaign, by=run_id).withdrawn
    scored = len(audited.results)
    return Recheck(
        published=count,
        standing=count - audited.rejudged - scored,
        rejudged=audited.rejudged,
        scored=scored,
        withdrawn=[f"{image.prompt}: {image.why}" for image in withdrawn],
    )
