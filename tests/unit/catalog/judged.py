"""Catalogs with audits, matches and reviews, and processes that add some."""

from sqlalchemy import select

from tests.unit.catalog.filled import Filled, digest
from twig_assets.catalog.database import Catalog, open_catalog
from twig_assets.catalog.models import Adherence, Audit, AuditMatch, Image, Reference, Review


def add_images(catalog: Catalog, count: int) -> list[int]:
    """Images that nobody has audited, a policy, a corpus and a work; returns the images' ids."""
    with catalog.session() as session:
        filled = Filled(session, prompts=1)
        session.add(
            Reference(
                campaign="demo",
                sha256=digest("work"),
                title="Night",
                rights_holder="A. Painter",
                licence="none",
                file="night.png",
            )
        )
        first = filled.judged("pass", adherence=None)
        more = [filled.image(attempt) for attempt in range(1, count)]
        return [first.image_id, *(image.id for image in more)]


def add_audit(catalog: Catalog, image_id: int, decision: str | None = None) -> int:
    """One transaction, as the pipeline's: an audit with two matches, and perhaps a review; returns the audit's id."""
    with catalog.session() as session:
        like = session.scalars(select(Audit).order_by(Audit.id)).first()
        work = session.scalars(select(Reference.id)).one()
        audit = Audit(
            image_id=image_id,
            policy_id=like.policy_id,
            corpus_version_id=like.corpus_version_id,
            verdict="fail",
            reasons=["close to Night"],
            nearest_reference_id=work,
            scores={"ssim": 0.7, "masked_ssim": None},
            thresholds={"ssim": 0.6},
            versions={"scikit-image": "1"},
            run_id="run",
            matches=[
                AuditMatch(reference_id=work, rank=rank, scores={"ssim": 0.8 - rank / 10}, transform="mirror")
                for rank in (1, 2)
            ],
        )
        if decision:
            audit.reviews.append(Review(decision=decision, who="Ada", why="licensed since"))
        session.add(audit)
    return audit.id


def add_adherence(catalog: Catalog, image_id: int) -> None:
    """One transaction: a verdict on whether an image shows its prompt."""
    with catalog.session() as session:
        session.add(
            Adherence(
                image_id=image_id,
                judge_sha256=digest("judge"),
                verdict="not_as_asked",
                reason="looks more like a red apple",
                score=-0.25,
                threshold=0.5,
                subject="owl",
                taken_for="red apple",
                scores={"own": 0.25, "other": 0.5},
                run_id="run",
            )
        )


def audit_all(url: str, image_ids: list[int]) -> None:
    """What one of several processes does."""
    catalog = open_catalog(url)
    for image_id in image_ids:
        add_audit(catalog, image_id, "waive")
    catalog.close()


def add_images_of_attempts(catalog: Catalog, attempts: int) -> list[int]:
    """More images of the first prompt, as many as wanted."""
    with catalog.session() as session:
        like = session.scalars(select(Image)).first()
        images = [
            Image(
                sha256=digest(f"more{attempt}"),
                prompt_id=like.prompt_id,
                stage="generated",
                attempt=attempt,
                seed=1,
                model_id=like.model_id,
                settings={},
                settings_sha256=like.settings_sha256,
                run_id="run",
            )
            for attempt in range(attempts)
        ]
        session.add_all(images)
    return [image.id for image in images]
