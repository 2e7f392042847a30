"""The items of all campaigns, kept between requests: only batches in which something has changed are read again.

The catalog stays the only truth: every request first asks it, by a few numbers, whether anything was added since.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from twig_assets.campaign import campaign_names, load_campaign
from twig_assets.campaign.rules_in_force import Rules, rules_of
from twig_assets.campaign.unread_works import Unread, unread_works
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import Adherence, Audit, Image, Prompt, PromptBatch, RedrawRequest, Release, Review
from twig_assets.compliance.candidates import PromptState
from twig_assets.compliance.state import CandidateState, release_terms
from twig_assets.compliance.survey import prompts_withdrawn
from twig_assets.desk.items import Item, items_of

TILES = ("asked", "released_as_asked", "waiting", "withheld", "withdrawn")


@dataclass(frozen=True)
class Batch:
    """A batch as it was when it was read.

    Attributes:
        items: What is to be decided in it, or was.
        counts: Prompts by what became of them.
    """

    items: tuple[Item, ...]
    counts: Counter[str]


@dataclass
class CampaignView:
    """A campaign on the desk.

    Attributes:
        name: Its name.
        title: The name that people see.
        problem: Why it cannot be shown; None for most.
        batches: Key -> batch.
        withdrawn: Images that were published and taken back, so that nothing is published of their prompts.
        unread: Its works that could not be compared, whether or not somebody accepted that.
    """

    name: str
    title: str
    problem: str | None = None
    batches: dict[str, Batch] = field(default_factory=dict)
    withdrawn: int = 0
    unread: tuple[Unread, ...] = ()

    @property
    def holding(self) -> list[Unread]:
        """The works that hold releases back until somebody decides about them."""
        return [work for work in self.unread if work.accepted is None]

    @property
    def items(self) -> list[Item]:
        """All items, the worst evidence first."""
        found = [item for batch in self.batches.values() for item in batch.items]
        return sorted(found, key=lambda item: item.evidence)

    @property
    def counts(self) -> dict[str, int]:
        """Prompts asked for, and what became of them."""
        total = sum((batch.counts for batch in self.batches.values()), Counter[str]())
        return {**{name: total[name] for name in total}, "withdrawn": self.withdrawn}


class Snapshot:
    """All campaigns of an installation, as the catalog has them."""

    def __init__(self, catalog: Catalog, root: Path) -> None:
        """Remember where to read.

        Args:
            catalog: The catalog.
            root: The folder that holds the campaigns.
        """
        self._catalog, self._root = catalog, root
        self._lock = threading.Lock()
        self._views: dict[str, CampaignView] = {}
        self._rules: dict[str, Rules] = {}
        self._marks: dict[str, Any] = {}

    def campaigns(self) -> list[CampaignView]:
        """All campaigns, brought up to date."""
        with self._lock, self._catalog.snapshot() as session:
            changed = self._changed(session)
            names = campaign_names(self._root)
            self._views = {name: self._refreshed(session, name, changed) for name in names}
            return list(self._views.values())

    def campaign(self, name: str) -> CampaignView | None:
        """One campaign, brought up to date; None if there is none of that name."""
        return next((view for view in self.campaigns() if view.name == name), None)

    def _changed(self, session: Session) -> Callable[[str], bool]:
        """Whether something was added to a batch, or its releases changed, since the last time."""
        marks = {table.__tablename__: session.scalar(select(func.max(table.id))) or 0 for table in _GROWING}
        marks["withdrawn"] = session.scalar(select(func.max(Release.withdrawn_at)))
        before, self._marks = self._marks, marks
        if not before:
            return lambda batch: True
        dirty: set[str] = set()
        for table, path in _GROWING.items():
            if marks[table.__tablename__] > before[table.__tablename__]:
                rows = path(select(Prompt.batch_key)).where(table.id > before[table.__tablename__]).distinct()
                dirty |= set(session.scalars(rows))
        if marks["withdrawn"] != before["withdrawn"]:
            since = before["withdrawn"]
            ended = select(Prompt.batch_key).join(Release, Release.prompt_id == Prompt.id).distinct()
            later = Release.withdrawn_at > since if since else Release.withdrawn_at.is_not(None)
            dirty |= set(session.scalars(ended.where(later)))
        return dirty.__contains__

    def _refreshed(self, session: Session, name: str, changed: Callable[[str], bool]) -> CampaignView:
        before = self._views.get(name)
        try:
            campaign = load_campaign(name, self._root)
            rules = rules_of(session, campaign)
        except Exception as error:
            # A broken file of one campaign must not take the desk away from the others.
            if not type(error).__module__.startswith("twig_assets."):
                raise
            return CampaignView(name, name, problem=str(error))
        fresh = before is None or before.problem is not None or self._rules.get(name) != rules
        self._rules[name] = rules
        unread = tuple(unread_works(session, campaign))
        view = CampaignView(name, campaign.title, withdrawn=prompts_withdrawn(session, name), unread=unread)
        for key in session.scalars(
            select(PromptBatch.key).where(PromptBatch.campaign == name).order_by(PromptBatch.key)
        ):
            known = None if fresh or before is None else before.batches.get(key)
            view.batches[key] = known if known is not None and not changed(key) else _batch(session, name, key, rules)
        return view


def _batch(session: Session, campaign: str, key: str, rules: Rules) -> Batch:
    items, states = items_of(session, campaign, key, rules)
    counts: Counter[str] = Counter({"asked": len(states)})
    counts.update(_outcome(state) for state in states)
    session.expunge_all()
    return Batch(tuple(items), counts)


def _outcome(state: PromptState) -> str:
    """What became of a prompt: the words of the report's tiles."""
    if state.release is not None:
        terms = release_terms(state.state, state.decision, state.adherence.verdict if state.adherence else None)
        return "released_as_asked" if terms == "as_asked" else "released_otherwise"
    if state.state == CandidateState.REVIEW:
        return "waiting"
    return "withheld" if state.state in (CandidateState.QUARANTINED, CandidateState.REJECTED) else "unfinished"


_SAME = aliased(Image)
_GROWING: Mapping[Any, Callable[[Any], Any]] = {
    Prompt: lambda statement: statement,
    Image: lambda statement: statement.join(Image, Image.prompt_id == Prompt.id),
    Audit: lambda statement: statement.join(Image, Image.prompt_id == Prompt.id).join(Audit),
    Adherence: lambda statement: statement.join(Image, Image.prompt_id == Prompt.id).join(Adherence),
    # A decision is about a picture, and the same picture may have been drawn for another prompt.
    Review: lambda statement: (
        statement.join(Image, Image.prompt_id == Prompt.id)
        .join(_SAME, _SAME.sha256 == Image.sha256)
        .join(Audit, Audit.image_id == _SAME.id)
        .join(Review)
    ),
    RedrawRequest: lambda statement: statement.join(RedrawRequest, RedrawRequest.prompt_id == Prompt.id),
    Release: lambda statement: statement.join(Release, Release.prompt_id == Prompt.id),
}
"""The tables that only grow and that items rest on, and how a batch's rows in them are found."""
