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
from twig_assets.campaign.rules_in_force import rules_in_force, rules_under
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
from twig_assets.compliance.candidates import Rules, present_audits
from twig_assets.compliance.decisions import standing_decisions
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


@dataclass(frozen=True)
class _Rows:
    """The rows of one campaign that count under the present rules, and whatever is published."""

    prompts: list[Prompt]
    images: list[Image]
    published: list[Image]
    audits: dict[int, Audit]
    masks: dict[int, Mask]
    releases: dict[int, Release]
    references: list[Reference]


def collect(session: Session, campaign: Campaign, store: ArtifactStore, *, now: datetime | None = None) -> ReportData:
    """Gather the latest state of a campaign.

    Of each prompt the candidate is the regenerated image of the highest attempt. The prompt is released when it has
    a release that was not withdrawn, and quarantined when its attempts are spent and the candidate's verdict under
    the present policy and corpus is `fail`.

    Args:
        session: An open session of the catalog; nothing is written.
        campaign: Whose report.
        store: Where the images are. A picture that is missing there leaves a gap in the page, not an error.
        now: The time to put on the page, aware; the present by default.
    """
    rows = _read(session, campaign, _rules_in_force(session, campaign))
    folder = campaign.folder / "references"
    works = {r.id: _reference_line(r, reference_picture(store, r, folder)) for r in rows.references}
    shown = [*rows.images, *rows.published]
    standing = standing_decisions(session, Audit.id.in_([audit.id for audit in rows.audits.values()]))
    scored = {image.id: _scored(image, rows.audits.get(image.id), standing, works, store) for image in shown}
    lines = [_prompt_line(prompt, rows, scored, store, campaign.max_attempts) for prompt in rows.prompts]
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
    made = select(Image).where(Image.prompt_id.in_(of_campaign)).order_by(Image.attempt, Image.id)
    images = [image for image in session.scalars(made) if _counts_now(image, rules)]
    releases = select(Release).where(Release.prompt_id.in_(of_campaign), Release.withdrawn_at.is_(None))
    released = {release.prompt_id: release for release in session.scalars(releases.order_by(Release.id))}
    known = {image.id for image in images}
    published = [release.image for release in released.values() if release.image_id not in known]
    image_ids = [image.id for image in (*images, *published)]
    masks = select(Mask).where(Mask.image_id.in_(image_ids)).order_by(Mask.id)
    references = select(Reference).where(Reference.campaign == campaign.name).order_by(Reference.file)
    return _Rows(
        prompts=list(session.scalars(prompts)),
        images=images,
        published=published,
        audits=present_audits(session, image_ids, rules),
        masks={mask.image_id: mask for mask in session.scalars(masks)},
        releases=released,
        references=list(session.scalars(references)),
    )


def _counts_now(image: Image, rules: Rules) -> bool:
    if image.model.sha256 != rules.model_sha256 or image.attempt >= len(rules.regenerated):
        return False
    return image.settings_sha256 == rules.settings_sha256(image.stage, image.attempt)


def _reference_line(row: Reference, picture: Picture) -> ReferenceLine:
    return ReferenceLine(title=row.title, rights_holder=row.rights_holder, licence=row.licence, picture=picture)


def _scored(
    image: Image,
    audit: Audit | None,
    standing: dict[int, Review],
    works: dict[int, ReferenceLine],
    store: ArtifactStore,
) -> Scored:
    picture = stored_picture(store, image.sha256)
    made = Scored(picture=picture, stage=image.stage, attempt=image.attempt, seed=image.seed)
    return made if audit is None else made.model_copy(update=_judged(audit, standing.get(audit.id), works))


def _judged(audit: Audit, review: Review | None, works: dict[int, ReferenceLine]) -> dict[str, Any]:
    near = audit.nearest_reference_id
    match = next((m for m in audit.matches if m.reference_id == near), None)
    return dict(
        verdict=audit.verdict,
        reasons=audit.reasons,
        ssim=audit.scores.get("ssim"),
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


def _prompt_line(
    prompt: Prompt, rows: _Rows, scored: dict[int, Scored], store: ArtifactStore, max_attempts: int
) -> PromptLine:
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
        outcome=_outcome(prompt, rows, scored[candidate.id] if candidate else None, max_attempts),
        first=scored[first.id] if first else None,
        mask=stored_picture(store, mask.sha256) if mask and mask.sha256 else None,
        mask_outcome=mask.outcome if mask else None,
        mask_area=mask.area if mask else None,
        superseded=[scored[image.id] for image in mine if image.stage == "generated" and image is not first],
        attempts=[scored[image.id] for image in attempts],
    )


def _outcome(prompt: Prompt, rows: _Rows, candidate: Scored | None, max_attempts: int) -> Outcome:
    if prompt.id in rows.releases:
        return "released"
    if candidate is None or candidate.verdict is None:
        return "waiting"
    if candidate.waiver:
        return "waiting"
    if candidate.verdict == "fail":
        return "quarantined" if candidate.attempt + 1 >= max_attempts else "failed"
    return "waiting" if candidate.verdict == "pass" else "review"


def _released(rows: _Rows, scored: dict[int, Scored]) -> list[Released]:
    texts = {prompt.id: prompt.text for prompt in rows.prompts}
    found = []
    for release in rows.releases.values():
        image = scored[release.image_id]
        safe = bool(image.waiver) or (image.verdict == "pass" and not image.rejected)
        released_at = release.released_at
        found.append(Released(prompt=texts[release.prompt_id], image=image, safe=safe, released_at=released_at))
    return sorted(found, key=lambda one: (one.safe, -2.0 if one.image.ssim is None else -one.image.ssim))


def _caught(lines: list[PromptLine]) -> list[Caught]:
    found = []
    for line in lines:
        failed = [one for one in line.images if one.verdict == "fail"]
        failed.sort(key=lambda one: (_nearest_title(one), one.stage != "generated", one.attempt))
        for _, group in groupby(failed, key=_nearest_title):
            images = list(group)
            found.append(Caught(prompt=line.text, outcome=line.outcome, nearest=images[0].nearest, images=images))
    return found


def _nearest_title(image: Scored) -> str:
    return image.nearest.title if image.nearest else ""


def _counts(rows: _Rows, lines: list[PromptLine], released: list[Released], newest: Audit | None) -> Counts:
    outcomes = [line.outcome for line in lines]
    scores = [one.image.ssim for one in released if one.image.ssim is not None]
    return Counts(
        prompts=len(lines),
        images=len(rows.images),
        audited=len(rows.audits),
        failed=sum(audit.verdict == "fail" for audit in rows.audits.values()),
        released=len(released),
        quarantined=outcomes.count("quarantined"),
        review=outcomes.count("review"),
        released_unsafe=sum(not one.safe for one in released),
        released_waived=sum(bool(one.image.waiver) for one in released),
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
        figures=[Figure.model_validate(one) for one in edit.evaluation.get("figures", [])] if edit else [],
    )
