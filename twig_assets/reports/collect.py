"""Read from the catalog what a compliance report says."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.campaign.rules_in_force import Rules, rules_in_force, rules_under
from twig_assets.catalog.ledger import head
from twig_assets.catalog.models import (
    Audit,
    Concept,
    ConceptEdit,
    Image,
    Mask,
    Prompt,
    PromptBatch,
    Reference,
    Release,
    Review,
    utc_now,
)
from twig_assets.catalog.serving import NotMaterializedError
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.candidates import audits_in_force, state_of
from twig_assets.compliance.decisions import standing_decisions
from twig_assets.compliance.state import CandidateState
from twig_assets.reports.data import (
    Caught,
    ConceptLine,
    Counts,
    DetectorLine,
    Figure,
    LedgerHead,
    ModelLine,
    Outcome,
    Picture,
    PromptLine,
    ReferenceLine,
    Released,
    ReportData,
    Scored,
)
from twig_assets.reports.pictures import reference_picture, stored_picture
from twig_assets.similarity import detector_scores

_OUTCOMES: dict[CandidateState, Outcome] = {
    CandidateState.MISSING: "waiting",
    CandidateState.UNAUDITED: "waiting",
    CandidateState.FAILED: "failed",
    CandidateState.QUARANTINED: "quarantined",
    CandidateState.REVIEW: "review",
    CandidateState.REJECTED: "rejected",
    CandidateState.RELEASABLE: "waiting",
    CandidateState.RELEASED: "released",
}


@dataclass(frozen=True)
class _Rows:
    """The rows of one campaign that count under the rules in force, and whatever is published.

    Attributes:
        prompts: In order of batch and position.
        images: Made under the rules in force, in order of attempt and id.
        published: Published images that were made under other rules.
        audits: Image id -> its newest audit under the policy and corpus in force.
        reviews: Audit id -> the newest decision that holds for it.
        masks: Image id -> its newest mask.
        releases: Prompt id -> its release that stands.
        references: All protected works that the campaign has had.
        max_attempts: How many attempts the campaign allows.
    """

    prompts: list[Prompt]
    images: list[Image]
    published: list[Image]
    audits: dict[int, Audit]
    reviews: dict[int, Review]
    masks: dict[int, Mask]
    releases: dict[int, Release]
    references: list[Reference]
    max_attempts: int

    def review(self, image: Image) -> Review | None:
        """The decision that holds for an image's audit."""
        audit = self.audits.get(image.id)
        return self.reviews.get(audit.id) if audit else None

    def state(self, image: Image | None) -> CandidateState:
        """The state of a prompt's candidate, or of its published image."""
        if image is None:
            return CandidateState.MISSING
        release = self.releases.get(image.prompt_id)
        return state_of(image, self.audits.get(image.id), self.review(image), release, self.max_attempts)


def collect(session: Session, campaign: Campaign, store: ArtifactStore, *, now: datetime | None = None) -> ReportData:
    """Gather the latest state of a campaign.

    A prompt is released when it has a release that was not withdrawn. Otherwise the state of its candidate decides what
    the report says of it, see `compliance.state`.

    Args:
        session: An open session of the catalog; nothing is written.
        campaign: The campaign that the report is about.
        store: Where the images are. A picture that is missing there leaves a gap in the page, not an error.
        now: The time to put on the page, aware; the current time by default.
    """
    rows = _read(session, campaign, _rules_in_force(session, campaign))
    folder = campaign.references_folder
    works = {r.id: _reference_line(r, reference_picture(store, r, folder)) for r in rows.references}
    scored = {image.id: _scored(image, rows, works, store) for image in (*rows.images, *rows.published)}
    lines = [_prompt_line(prompt, rows, scored, store) for prompt in rows.prompts]
    released = _released(rows, scored)
    newest = max(rows.audits.values(), key=lambda audit: audit.id, default=None)
    return ReportData(
        title=campaign.title,
        campaign=campaign.name,
        made_at=now or utc_now(),
        max_attempts=campaign.max_attempts,
        counts=_counts(rows, lines, released, newest),
        model=_model_line(session, rows.images),
        corpus_sha256=newest.corpus_version.sha256 if newest else None,
        references=[works[r.id] for r in rows.references if r.status == "active"],
        policy=newest.policy.body if newest else {},
        policy_sha256=newest.policy.sha256 if newest else None,
        caught=_caught(lines),
        released=released,
        prompts=lines,
        concepts=_concepts(session, campaign.name),
        ledger=_ledger_head(session),
    )


def _rules_in_force(session: Session, campaign: Campaign) -> Rules:
    """The rules that the pipeline goes by now; before there is a model, those by which no image counts."""
    try:
        return rules_in_force(session, campaign)[1]
    except NotMaterializedError:
        return rules_under(session, campaign, model_sha256="")


def _read(session: Session, campaign: Campaign, rules: Rules) -> _Rows:
    of_campaign = select(Prompt.id).join(PromptBatch).where(PromptBatch.campaign == campaign.name)
    prompts = select(Prompt).where(Prompt.id.in_(of_campaign)).order_by(Prompt.batch_key, Prompt.position)
    drawn = select(Image).where(Image.prompt_id.in_(of_campaign)).order_by(Image.attempt, Image.id)
    images = [image for image in session.scalars(drawn) if _counts_now(image, rules)]
    releases = select(Release).where(Release.prompt_id.in_(of_campaign), Release.withdrawn_at.is_(None))
    released = {release.prompt_id: release for release in session.scalars(releases.order_by(Release.id))}
    known = {image.id for image in images}
    published = [release.image for release in released.values() if release.image_id not in known]
    image_ids = [image.id for image in (*images, *published)]
    audits = audits_in_force(session, image_ids, rules)
    masks = select(Mask).where(Mask.image_id.in_(image_ids)).order_by(Mask.id)
    references = select(Reference).where(Reference.campaign == campaign.name).order_by(Reference.file)
    return _Rows(
        prompts=list(session.scalars(prompts)),
        images=images,
        published=published,
        audits=audits,
        reviews=standing_decisions(session, Audit.id.in_([audit.id for audit in audits.values()])),
        masks={mask.image_id: mask for mask in session.scalars(masks)},
        releases=released,
        references=list(session.scalars(references)),
        max_attempts=rules.max_attempts,
    )


def _counts_now(image: Image, rules: Rules) -> bool:
    if image.model.sha256 != rules.model_sha256 or image.attempt >= len(rules.regenerated):
        return False
    return image.settings_sha256 == rules.settings_sha256(image.stage, image.attempt)


def _reference_line(row: Reference, picture: Picture) -> ReferenceLine:
    return ReferenceLine(title=row.title, rights_holder=row.rights_holder, licence=row.licence, picture=picture)


def _scored(image: Image, rows: _Rows, works: dict[int, ReferenceLine], store: ArtifactStore) -> Scored:
    picture, audit = stored_picture(store, image.sha256), rows.audits.get(image.id)
    scored = Scored(picture=picture, stage=image.stage, attempt=image.attempt, seed=image.seed)
    return scored if audit is None else scored.model_copy(update=_judged(audit, rows.review(image), works))


def _judged(audit: Audit, review: Review | None, works: dict[int, ReferenceLine]) -> dict[str, Any]:
    near = audit.nearest_reference_id
    match = next((m for m in audit.matches if m.reference_id == near), None)
    return dict(
        verdict=audit.verdict,
        reasons=audit.reasons,
        ssim=audit.scores.get("ssim"),
        iw_ssim=audit.scores.get("iw_ssim"),
        masked_ssim=audit.scores.get("masked_ssim"),
        ssim_threshold=audit.thresholds.get("ssim_threshold"),
        masked_ssim_threshold=audit.thresholds.get("masked_ssim_threshold"),
        detectors=_detector_lines(audit),
        transform=match.transform if match else None,
        nearest=works.get(near) if near else None,
        audited_at=audit.created_at,
        waiver=f"{review.who}: {review.why}" if review and review.decision == "waive" else None,
        rejected=review is not None and review.decision == "reject",
    )


def _detector_lines(audit: Audit) -> list[DetectorLine]:
    return [
        DetectorLine(
            name=detector.name,
            title=detector.title,
            score=score,
            direction=detector.direction,
            threshold=threshold,
            reached=reached,
        )
        for detector, score, threshold, reached in detector_scores(audit.scores, audit.thresholds)
    ]


def _prompt_line(prompt: Prompt, rows: _Rows, scored: dict[int, Scored], store: ArtifactStore) -> PromptLine:
    mine = [image for image in rows.images if image.prompt_id == prompt.id]
    attempts = [image for image in mine if image.stage == "regenerated"]
    candidate = attempts[-1] if attempts else None
    # The first image on show is the one the candidate was made from: a rerun may have drawn another.
    first = next((image for image in mine if candidate and image.id == candidate.parent_id), None)
    first = first or next((image for image in reversed(mine) if image.stage == "generated"), None)
    mask = rows.masks.get(first.id) if first else None
    return PromptLine(
        batch=prompt.batch_key,
        position=prompt.position,
        text=prompt.text,
        outcome=_outcome(prompt, rows, candidate),
        first=scored[first.id] if first else None,
        mask=stored_picture(store, mask.sha256) if mask and mask.sha256 else None,
        mask_outcome=mask.outcome if mask else None,
        mask_area=mask.area if mask else None,
        superseded=[scored[image.id] for image in mine if image.stage == "generated" and image is not first],
        attempts=[scored[image.id] for image in attempts],
    )


def _outcome(prompt: Prompt, rows: _Rows, candidate: Image | None) -> Outcome:
    """What the report says of a prompt: `released` as long as an image of it is published, else its candidate's state.

    A published image that no longer complies is still published; the head of the page raises the alarm about it.
    """
    return "released" if prompt.id in rows.releases else _OUTCOMES[rows.state(candidate)]


def _released(rows: _Rows, scored: dict[int, Scored]) -> list[Released]:
    texts = {prompt.id: prompt.text for prompt in rows.prompts}
    released = [
        Released(
            prompt=texts[release.prompt_id],
            image=scored[release.image_id],
            safe=rows.state(release.image).may_be_published,
            released_at=release.released_at,
        )
        for release in rows.releases.values()
    ]
    return sorted(released, key=lambda r: (r.safe, -2.0 if r.image.ssim is None else -r.image.ssim))


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


def _counts(rows: _Rows, lines: list[PromptLine], released: list[Released], newest: Audit | None) -> Counts:
    outcomes = [line.outcome for line in lines]
    scores = [r.image.ssim for r in released if r.image.ssim is not None]
    return Counts(
        prompts=len(lines),
        images=len(rows.images),
        audited=len(rows.audits),
        failed=sum(audit.verdict == "fail" for audit in rows.audits.values()),
        released=len(released),
        quarantined=outcomes.count("quarantined"),
        review=outcomes.count("review"),
        released_unsafe=sum(not r.safe for r in released),
        released_waived=sum(bool(r.image.waiver) for r in released),
        worst_released_ssim=max(scores, default=None),
        ssim_95_released=float(np.percentile(scores, 95)) if scores else None,
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
    )
