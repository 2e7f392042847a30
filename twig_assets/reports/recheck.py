"""Giving published images a verdict of the day before a report says that they have one."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import select

from twig_assets.campaign import Campaign
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import Image, Prompt, PromptBatch, Release
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance import enforce
from twig_assets.compliance.adherence import judge_images
from twig_assets.compliance.auditing import audit_images
from twig_assets.engines import Engine
from twig_assets.reports.data import Recheck


def recheck_published(
    campaign: Campaign,
    catalog: Catalog,
    store: ArtifactStore,
    run_id: str,
    report: Callable[[int, int], None],
    open_judge: Callable[[], Any],
    engine: Engine,
) -> Recheck:
    """Audit and judge the published images that lack a verdict under the rules in force, and withdraw what fails.

    Args:
        campaign: The campaign.
        catalog: Its rows.
        store: Its files.
        run_id: The Dagster run, named as the author of verdicts.
        report: Called after each chunk with how many images are scored, and of how many.
        open_judge: Opens the campaign's judge; called only if a published image has not been judged by it.
        engine: Computes the scores; see `audit_images`.

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
        return Recheck(published=0, standing=0, rejudged=0, scored=0, judged=0, withdrawn=[])
    audited = audit_images(campaign, catalog, store, Image.id.in_(published), run_id, report, engine)
    judged = 0
    # Without a model that serves, the published images keep the verdicts that they have.
    with suppress(NotMaterializedError):
        judged = judge_images(campaign, catalog, store, Image.id.in_(published), run_id, open_judge)
    with catalog.session() as session:
        withdrawn = enforce(session, campaign, by=run_id).withdrawn
    scored = len(audited.results)
    return Recheck(
        published=count,
        standing=count - audited.rejudged - scored,
        rejudged=audited.rejudged,
        scored=scored,
        judged=judged,
        withdrawn=[f"{image.prompt}: {image.why}" for image in withdrawn],
    )
