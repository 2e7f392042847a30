"""Read from the catalog what a compliance report says."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.campaign.allowed_elements import ElementState, described, element_states
from twig_assets.campaign.rules_in_force import Rules, calibration_source
from twig_assets.campaign.unread_works import unread_works
from twig_assets.catalog.ledger import head
from twig_assets.catalog.models import Concept, ConceptEdit, Image, Prompt, Reference, Release, utc_now
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.decision_history import Made, history
from twig_assets.compliance.state import CandidateState, ReleaseTerms, release_terms, why_not
from twig_assets.reports.data import (
    AllowedLine,
    Caught,
    ConceptLine,
    Counts,
    DecisionLine,
    Figure,
    JudgeLine,
    LedgerHead,
    ModelLine,
    Outcome,
    Picture,
    PromptLine,
    ReferenceLine,
    Released,
    ReportData,
    Scored,
    UnreadLine,
)
from twig_assets.reports.pictures import reference_picture, stored_picture
from twig_assets.reports.rows import Rows, read_rows
from twig_assets.reports.scored import scored
from twig_assets.settings.adherence import AdherenceSettings
from twig_assets.similarity import read_part

# What is published, the most urgent first.
_URGENCY: tuple[ReleaseTerms, ...] = ("withdraw", "unjudged", "cannot_tell", "waived", "as_asked")
_OUTCOMES: dict[CandidateState, Outcome] = {
    CandidateState.MISSING: "unfinished",
    CandidateState.UNAUDITED: "unfinished",
    CandidateState.FAILED: "failed",
    CandidateState.QUARANTINED: "quarantined",
    CandidateState.REVIEW: "waiting",
    CandidateState.REJECTED: "rejected",
    CandidateState.INCOMPLETE: "waiting",
    CandidateState.RELEASABLE: "unfinished",
    CandidateState.RELEASED: "released",
}


def collect(session: Session, campaign: Campaign, store: ArtifactStore, *, now: datetime | None = None) -> ReportData:
    """Gather the latest state of a campaign.

    A prompt is released when it has a release that was not withdrawn. Otherwise the state of its candidate decides what
    the report says of it, see `compliance.state`; `compliance.held` says why.

    Args:
        session: An open session of the catalog; nothing is written.
        campaign: The campaign that the report is about.
        store: Where the images are. A picture that is missing there leaves a gap in the page, not an error.
        now: The time to put on the page, aware; the current time by default.
    """
    rows = read_rows(session, campaign)
    folder = campaign.references_folder
    works = {r.id: _reference_line(r, reference_picture(store, r, folder)) for r in rows.references}
    pictures = {image.id: scored(image, rows, works, store) for image in (*rows.images, *rows.published)}
    lines = [_prompt_line(prompt, rows, pictures, store) for prompt in rows.prompts]
    released = _released(rows, pictures)
    newest = max(rows.verdicts.audits.values(), key=lambda audit: audit.id, default=None)
    unread = [UnreadLine.model_validate(work) for work in unread_works(session, campaign)]
    return ReportData(
        title=campaign.title,
        campaign=campaign.name,
        made_at=now or utc_now(),
        max_attempts=campaign.max_attempts,
        counts=_counts(rows, lines, released),
        model=_model_line(session, rows.images),
        corpus_sha256=newest.corpus_version.sha256 if newest else None,
        references=[works[r.id] for r in rows.references if r.status == "active"],
        complete=not unread,
        unread=unread,
        policy=newest.policy.body if newest else {},
        policy_sha256=newest.policy.sha256 if newest else None,
        judge=_judge_line(session, campaign, rows.rules),
        caught=_caught(lines),
        released=released,
        prompts=lines,
        concepts=_concepts(session, campaign.name),
        decisions=[_decision_line(made) for made in history(session, campaign.name, rows.rules)],
        allowed=[_allowed_line(state) for state in element_states(session, campaign.name)],
        ledger=_ledger_head(session),
    )


def _allowed_line(state: ElementState) -> AllowedLine:
    element = state.element
    return AllowedLine(
        made_at=element.created_at, described=described(element), today=state.standing, holds=state.holds
    )


def _reference_line(row: Reference, picture: Picture) -> ReferenceLine:
    return ReferenceLine(
        title=row.title, rights_holder=row.rights_holder, licence=row.licence, picture=picture, notes=row.notes
    )


def _prompt_line(prompt: Prompt, rows: Rows, pictures: dict[int, Scored], store: ArtifactStore) -> PromptLine:
    mine, state = rows.of(prompt), rows.states[prompt.id]
    firsts = [image for image in mine if image.stage == "generated"]
    # The first image on show is the one that the candidate was made from.
    avoided = state.candidate.parent_id if state.candidate else None
    first = next((image for image in firsts if image.id == avoided), firsts[0] if firsts else None)
    mask = rows.masks.get(first.id) if first else None
    release = rows.releases.get(prompt.id)
    held = None if release else rows.held.get(prompt.id)
    return PromptLine(
        batch=prompt.batch_key,
        position=prompt.position,
        text=prompt.text,
        outcome="released" if release else _OUTCOMES[state.state],
        terms=_terms(release, rows) if release else None,
        why=held.why if held else None,
        next_step=held.next_step if held else None,
        first=pictures[first.id] if first else None,
        mask=stored_picture(store, mask.sha256) if mask and mask.sha256 else None,
        mask_outcome=mask.outcome if mask else None,
        mask_area=mask.area if mask else None,
        superseded=[pictures[image.id] for image in firsts if image is not first],
        attempts=[pictures[image.id] for image in mine if image.stage == "regenerated"],
    )


def _released(rows: Rows, pictures: dict[int, Scored]) -> list[Released]:
    texts = {prompt.id: prompt.text for prompt in rows.prompts}
    released = [_release_line(release, texts[release.prompt_id], rows, pictures) for release in rows.releases.values()]
    return sorted(released, key=lambda r: (_URGENCY.index(r.terms), -2.0 if r.image.ssim is None else -r.image.ssim))


def _release_line(release: Release, prompt: str, rows: Rows, pictures: dict[int, Scored]) -> Released:
    terms = _terms(release, rows)
    return Released(
        prompt=prompt,
        image=pictures[release.image_id],
        terms=terms,
        why=why_not(rows.verdicts.standing(release.image, release)) if terms in ("unjudged", "withdraw") else None,
        released_at=release.released_at,
    )


def _terms(release: Release, rows: Rows) -> ReleaseTerms:
    standing = rows.verdicts.standing(release.image, release)
    return release_terms(rows.published_state(release), standing.decision, standing.adherence)


def _caught(lines: list[PromptLine]) -> list[Caught]:
    caught = []
    for line in lines:
        failed = [image for image in line.images if image.verdict == "fail"]
        failed.sort(key=lambda image: (_nearest_title(image), image.stage != "generated", image.attempt))
        for _, group in groupby(failed, key=_nearest_title):
            images = list(group)
            caught.append(Caught(prompt=line.text, outcome=line.outcome, nearest=images[0].nearest, images=images))
    return caught


def _nearest_title(image: Scored) -> str:
    return image.nearest.title if image.nearest else ""


def _counts(rows: Rows, lines: list[PromptLine], released: list[Released]) -> Counts:
    outcomes, terms = Counter(line.outcome for line in lines), Counter(r.terms for r in released)
    scores = [r.image.ssim for r in released if r.image.ssim is not None]
    audits = rows.verdicts.audits
    return Counts(
        asked=len(lines),
        released=len(released),
        released_as_asked=terms["as_asked"],
        released_narrowly=sum(
            r.terms == "as_asked" and r.image.adherence is not None and r.image.adherence.narrow for r in released
        ),
        released_waived=terms["waived"],
        released_cannot_tell=terms["cannot_tell"],
        released_unjudged=terms["unjudged"],
        released_unsafe=terms["withdraw"],
        waiting=outcomes["waiting"],
        withheld=outcomes["quarantined"] + outcomes["rejected"],
        unfinished=outcomes["failed"] + outcomes["unfinished"],
        quarantined=outcomes["quarantined"],
        images=len(rows.images),
        audited=len(audits),
        failed=sum(audit.verdict == "fail" for audit in audits.values()),
        worst_released_ssim=max(scores, default=None),
        ssim_95_released=float(np.percentile(scores, 95)) if scores else None,
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


def _model_line(session: Session, images: Iterable[Image]) -> ModelLine | None:
    newest = max(images, key=lambda image: image.id, default=None)
    if newest is None:
        return None
    edits = session.scalars(select(ConceptEdit).where(ConceptEdit.weights_sha256.in_(newest.model.edits)))
    names = {edit.weights_sha256: edit.concept.name for edit in edits}
    edited = [names.get(sha256, sha256[:12]) for sha256 in newest.model.edits]
    return ModelLine(checkpoint=newest.model.checkpoint, sha256=newest.model.sha256, edits=edited)


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
