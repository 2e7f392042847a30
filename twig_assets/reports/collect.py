"""Read from the catalog what a compliance report says, a batch at a time."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.campaign.allowed_elements import ElementState, described, element_states
from twig_assets.campaign.rules_in_force import Rules, calibration_source
from twig_assets.campaign.unread_works import unread_works
from twig_assets.catalog.among import among
from twig_assets.catalog.ledger import head
from twig_assets.catalog.models import Concept, ConceptEdit, Model, PromptBatch, Reference, utc_now
from twig_assets.compliance.decision_history import Made, history
from twig_assets.compliance.events import Happened, lapse_key, newest_first, of_decision, other_events
from twig_assets.reports.data import (
    AllowedLine,
    ConceptLine,
    DecisionLine,
    Figure,
    HistoryLine,
    JudgeLine,
    LedgerHead,
    ModelLine,
    Picture,
    ReferenceLine,
    Summary,
    UnreadLine,
    WorkSource,
)
from twig_assets.reports.lines import LineFile, ReportData
from twig_assets.reports.named import NamedPrompts
from twig_assets.reports.prompt_lines import prompt_line
from twig_assets.reports.rows import BatchRows, read_batch, rules_now
from twig_assets.reports.tally import Tally
from twig_assets.settings.adherence import AdherenceSettings
from twig_assets.similarity import read_part


def collect(session: Session, campaign: Campaign, *, now: datetime | None = None) -> ReportData:
    """Gather the latest state of a campaign.

    A prompt is released when it has a release that was not withdrawn. Otherwise the state of its candidate decides what
    the report says of it, see `compliance.state`; `compliance.held` says why. No picture is read.

    Args:
        session: An open session of the catalog; nothing is written.
        campaign: The campaign that the report is about.
        now: The time to put on the page, aware; the current time by default.
    """
    keys = select(PromptBatch.key).where(PromptBatch.campaign == campaign.name).order_by(PromptBatch.key)
    # A session of its own in the same transaction can forget rows that the caller's may still need.
    with Session(session.connection(), expire_on_commit=False, autoflush=False) as reader:
        gathered = _Gathered(reader, campaign, now or utc_now())
        for key in reader.scalars(keys).all():
            gathered.add(key)
            # The rows of one batch only are in memory at a time.
            reader.expunge_all()
        return ReportData(gathered.summary(), gathered.lines)


class _Gathered:
    """What was read so far."""

    def __init__(self, session: Session, campaign: Campaign, now: datetime) -> None:
        self.lines, self._tally = LineFile(), Tally()
        self._session, self._campaign, self._now = session, campaign, now
        self._rules = rules_now(session, campaign)
        self._named = NamedPrompts(campaign)
        wanted = select(Reference).where(Reference.campaign == campaign.name).order_by(Reference.file)
        references = session.scalars(wanted).all()
        self._works = {row.id: _reference_line(row) for row in references}
        self._active = [row.id for row in references if row.status == "active"]
        self._sources = {row.sha256: WorkSource(pixels_sha256=row.pixels_sha256, file=row.file) for row in references}
        self._decisions: dict[int, DecisionLine] = {}
        self._events: dict[int, list[Happened]] = {}
        self._lapses: set[str] = set()
        self._newest = _Newest()

    def add(self, key: str) -> None:
        """Read a batch."""
        rows = read_batch(self._session, self._campaign.name, key, self._rules)
        self._newest.see(rows)
        for prompt in rows.prompts:
            line = prompt_line(prompt, rows, self._works, self._named.of(prompt), self._campaign.name)
            self.lines.add(line)
            self._tally.add(line)
        for made in history(self._session, self._campaign.name, self._rules, key):
            self._decisions.setdefault(made.review.id, _decision_line(made))
            self._events.setdefault(made.review.id, of_decision(made))
            self._lapses |= {lapse_key(made)} if made.lapsed else set()

    def summary(self) -> Summary:
        """What there is to say of the campaign as a whole."""
        session, campaign, newest = self._session, self._campaign, self._newest
        unread = [UnreadLine.model_validate(work) for work in unread_works(session, campaign)]
        return Summary(
            title=campaign.title,
            campaign=campaign.name,
            made_at=self._now,
            max_attempts=campaign.max_attempts,
            counts=self._tally.counts(),
            model=_model_line(session, newest.model_id),
            corpus_sha256=newest.corpus_sha256,
            references=[self._works[row_id] for row_id in self._active],
            complete=not unread,
            unread=unread,
            policy=newest.policy,
            policy_sha256=newest.policy_sha256,
            judge=_judge_line(session, campaign, self._rules),
            concepts=_concepts(session, campaign.name),
            decisions=[line for _, line in sorted(self._decisions.items())],
            history=self._history(),
            allowed=[_allowed_line(state) for state in element_states(session, campaign.name)],
            ledger=_ledger_head(session),
            spread=self._tally.spread(),
            sources=self._sources,
        )

    def _history(self) -> list[HistoryLine]:
        decided = [event for events in self._events.values() for event in events]
        others = other_events(self._session, self._campaign.name, self._lapses)
        return [HistoryLine.model_validate(event, from_attributes=True) for event in newest_first([*decided, *others])]


class _Newest:
    """What the newest image and the newest audit among some batches were made with."""

    def __init__(self) -> None:
        self.model_id: int | None = None
        self.corpus_sha256: str | None = None
        self.policy: dict[str, object] = {}
        self.policy_sha256: str | None = None
        self._image = self._audit = 0

    def see(self, rows: BatchRows) -> None:
        image = max((i for drawn in rows.images.values() for i in drawn), key=lambda i: i.id, default=None)
        if image is not None and image.id > self._image:
            self._image, self.model_id = image.id, image.model_id
        audit = max(rows.verdicts.audits.values(), key=lambda audit: audit.id, default=None)
        if audit is not None and audit.id > self._audit:
            self._audit = audit.id
            self.corpus_sha256 = audit.corpus_version.sha256
            self.policy, self.policy_sha256 = audit.policy.body, audit.policy.sha256


def _allowed_line(state: ElementState) -> AllowedLine:
    element = state.element
    return AllowedLine(
        made_at=element.created_at, described=described(element), today=state.standing, holds=state.holds
    )


def _reference_line(row: Reference) -> ReferenceLine:
    return ReferenceLine(
        title=row.title,
        rights_holder=row.rights_holder,
        licence=row.licence,
        picture=Picture(sha256=row.sha256),
        notes=row.notes,
    )


def _judge_line(session: Session, campaign: Campaign, rules: Rules) -> JudgeLine:
    settings, draws = read_part(campaign.policy_file, AdherenceSettings), calibration_source(session, rules)
    source = f"{settings.reject_share:.0%} of {draws} lie below it" if draws else "no threshold could be found yet"
    if draws and rules.threshold is None:
        source = f"no threshold: the judge takes most of {draws} for something else, so it does not know this model"
    return JudgeLine(
        name=campaign.chosen_judge.name,
        sha256=rules.judge_sha256,
        threshold=rules.threshold,
        source=source if settings.threshold is None else "set in policy.yaml",
        release_cannot_tell=rules.cannot_tell,
        first_images=rules.first_images,
    )


def _model_line(session: Session, model_id: int | None) -> ModelLine | None:
    model = session.get(Model, model_id) if model_id is not None else None
    if model is None:
        return None
    edits = session.scalars(select(ConceptEdit).where(among(ConceptEdit.weights_sha256, model.edits)))
    names = {edit.weights_sha256: edit.concept.name for edit in edits}
    edited = [names.get(sha256, sha256[:12]) for sha256 in model.edits]
    return ModelLine(checkpoint=model.checkpoint, sha256=model.sha256, edits=edited)


def _ledger_head(session: Session) -> LedgerHead | None:
    newest = head(session.connection())
    return LedgerHead(sequence=newest.sequence, sha256=newest.sha256) if newest else None


def _decision_line(made: Made) -> DecisionLine:
    review, audit = made.review, made.review.audit
    return DecisionLine(
        made_at=review.created_at,
        who=review.who,
        decision=review.decision,
        why=review.why,
        prompt=made.prompt,
        image_sha256=audit.image.sha256,
        verdict=f"{audit.verdict}: {'; '.join(audit.reasons)}",
        standing=made.standing,
        lapsed=made.lapsed is not None,
    )


def _concepts(session: Session, campaign: str) -> list[ConceptLine]:
    wanted = select(Concept).where(Concept.campaign == campaign, Concept.active).order_by(Concept.name)
    edits = select(ConceptEdit).join(Concept).where(Concept.campaign == campaign).order_by(ConceptEdit.id)
    newest = {edit.concept_id: edit for edit in session.scalars(edits)}
    return [_concept_line(concept, newest.get(concept.id)) for concept in session.scalars(wanted)]


def _concept_line(concept: Concept, edit: ConceptEdit | None) -> ConceptLine:
    return ConceptLine(
        name=concept.name,
        target=concept.target,
        anchor=concept.anchor,
        kind=concept.kind,
        method=edit.method if edit else None,
        accepted=edit.accepted if edit else None,
        seconds=edit.seconds if edit else None,
        samples=edit.evaluation.get("samples") if edit else None,
        figures=[Figure.model_validate(figure) for figure in edit.evaluation.get("figures", [])] if edit else [],
        refusals=list(edit.evaluation.get("refusals", ())) if edit and not edit.accepted else [],
        unjudged=bool(edit and edit.evaluation.get("unjudged")),
    )
