"""Reading how an installation does; what cannot be read is said, and keeps the rest from nobody."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from twig_assets.campaign import campaign_names, load_campaign
from twig_assets.campaign.missing import Missing, missing
from twig_assets.campaign.rules_in_force import rules_of
from twig_assets.campaign.speeds import known_seconds
from twig_assets.campaign.unread_works import unread_works
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.ledger import head
from twig_assets.catalog.models import Audit, Image, Notification, Prompt, PromptBatch, Release, utc_now
from twig_assets.compliance.survey import prompts_withdrawn, survey
from twig_assets.prompts.inbox import waiting_files
from twig_assets.prompts.partition_keys import concept_key
from twig_assets.settings.home import artifact_root, home, spool_folder
from twig_assets.status.model import CampaignStatus, DagsterStatus, Disk, InstallationStatus, LedgerStatus
from twig_assets.tracking.spool import Spool

CATALOG_SECONDS = 5.0
"""How long a catalog may take to say that it is there."""


def installation_status(
    open_catalog: Callable[[], Catalog],
    root: Path,
    dagster: Callable[[], DagsterStatus | None] = lambda: None,
) -> InstallationStatus:
    """Everything that can be said now.

    Args:
        open_catalog: Opens the catalog; whatever it raises is said.
        root: The folder that holds the campaigns.
        dagster: Asks Dagster; None where there is nothing to ask.
    """
    said: dict[str, object] = {}
    problem = catalog_problem(open_catalog)
    if problem is None:
        with open_catalog().snapshot() as session:
            said = {
                "campaigns": tuple(_campaign(session, root, name) for name in campaign_names(root)),
                "notices": _count(session, select(func.count(Notification.id)).where(Notification.sent_at.is_(None))),
                "ledger": _ledger(session),
            }
    else:
        said = {"campaigns": tuple(CampaignStatus(name=name) for name in campaign_names(root))}
    try:
        said["dagster"] = dagster()
    except Exception as error:  # every storage of Dagster's raises its own
        said["dagster_problem"] = _in_words(error)
    return InstallationStatus.model_validate(
        {
            "at": utc_now(),
            "catalog": problem,
            "figures": len(Spool(spool_folder()).waiting()),
            "disks": _disks(),
            **said,
        }
    )


def catalog_problem(open_catalog: Callable[[], Catalog], seconds: float = CATALOG_SECONDS) -> str | None:
    """Why the catalog cannot be read; None if it answers within `seconds` and fits this version.

    A server that accepts connections and never answers is as dead as one that is not there.
    """
    answers: list[str | None] = []

    def ask() -> None:
        try:
            with open_catalog().snapshot() as session:
                session.execute(select(PromptBatch.key).limit(1)).all()
            answers.append(None)
        except Exception as error:  # whatever it is, it is what is said of the catalog
            answers.append(_in_words(error))

    thread = threading.Thread(target=ask, name="catalog", daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else f"it has not answered within {seconds:g} seconds"


def _campaign(session: Session, root: Path, name: str) -> CampaignStatus:
    counts: dict[str, object] = {
        "name": name,
        "asked": _count(session, _prompts(name)),
        "released": _count(session, _prompts(name).join(Release).where(Release.withdrawn_at.is_(None))),
        "withdrawn": prompts_withdrawn(session, name),
        "verdicts": _verdicts(session, name),
        "inbox": len(waiting_files(root / name)),
    }
    try:
        campaign = load_campaign(name, root)
        found = survey(session, name, rules_of(session, campaign))
        unread = [work for work in unread_works(session, campaign) if work.accepted is None]
        lacking = missing(session, campaign)
    except Exception as error:
        # A broken file of one campaign must not hide the others.
        if not type(error).__module__.startswith("twig_assets."):
            raise
        return CampaignStatus.model_validate({**counts, "problem": _in_words(error)})
    return CampaignStatus.model_validate(
        {
            **counts,
            "waiting": _length(found.waiting),
            "withheld": _length(found.quarantined) + _length(found.rejected),
            "to_draw": _length(found.failing),
            "lacks": _lacks(name, lacking),
            "edited": len(lacking.edited),
            "unread": len(unread),
            "seconds_per_image": known_seconds(campaign),
        }
    )


def _lacks(campaign: str, lacking: Missing) -> dict[str, str]:
    """Partition -> what is to be made there."""
    lacks = {concept_key(campaign, concept): "its edit" for concept in lacking.concepts}
    lacks |= {batch: f"images of {count}" for batch, count in lacking.batches.items()}
    if lacking.inputs or lacking.model:
        lacks[campaign] = lacking.inputs or lacking.model
    return lacks


def _prompts(campaign: str):  # type: ignore[no-untyped-def]
    return select(func.count(Prompt.id.distinct())).join(PromptBatch).where(PromptBatch.campaign == campaign)


def _verdicts(session: Session, campaign: str) -> dict[str, int]:
    rows = session.execute(
        select(Audit.verdict, func.count(Audit.id))
        .join(Image, Image.id == Audit.image_id)
        .join(Prompt, Prompt.id == Image.prompt_id)
        .join(PromptBatch, PromptBatch.key == Prompt.batch_key)
        .where(PromptBatch.campaign == campaign)
        .group_by(Audit.verdict)
        .order_by(Audit.verdict)
    )
    return {verdict: count for verdict, count in rows}


def _ledger(session: Session) -> LedgerStatus | None:
    newest = head(session.connection())
    return LedgerStatus(sequence=newest.sequence, sha256=newest.sha256) if newest else None


def _count(session: Session, statement) -> int:  # type: ignore[no-untyped-def]
    return session.scalar(statement) or 0


def _length(by_batch: dict[str, list[int]]) -> int:
    return sum(len(images) for images in by_batch.values())


def _disks() -> tuple[Disk, ...]:
    """The disks of the state folder and of the artifacts, as far as these are folders that are there."""
    places = {"the state folder": home()}
    if "://" not in artifact_root():
        places["artifacts"] = Path(artifact_root())
    disks: dict[tuple[int, int], Disk] = {}
    for what, place in places.items():
        try:
            usage = shutil.disk_usage(place)
        except OSError:
            continue
        disks.setdefault((usage.total, usage.free), Disk(what=what, free=usage.free, size=usage.total))
    return tuple(disks.values())


def _in_words(error: Exception) -> str:
    """An error on one line; those of databases without the statement and without what it was about."""
    cause = getattr(error, "orig", None) or error
    return " ".join(f"{type(cause).__name__}: {cause}".split())
