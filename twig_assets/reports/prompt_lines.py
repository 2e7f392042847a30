"""What a report says of one prompt."""

from twig_assets.catalog.models import Image, Prompt, Release
from twig_assets.compliance.state import CandidateState, ReleaseTerms, release_terms, why_not
from twig_assets.reports.data import Ended, Outcome, Picture, PromptLine, ReferenceLine, Released, Scored
from twig_assets.reports.named import Named
from twig_assets.reports.rows import BatchRows
from twig_assets.reports.scored import scored

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


def prompt_line(
    prompt: Prompt, rows: BatchRows, works: dict[int, ReferenceLine], named: Named, campaign: str
) -> PromptLine:
    """A prompt with its images and what came of them.

    Args:
        prompt: The prompt.
        rows: Its batch's rows.
        works: Id of each protected work -> how the report names it.
        named: What it named that is protected.
        campaign: The campaign's name, for the commands.
    """
    mine, state = rows.images.get(prompt.id, []), rows.states[prompt.id]
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
        written=named.written,
        named=named.lines,
        first=scored(first, rows, works) if first else None,
        mask=Picture(sha256=mask.sha256) if mask and mask.sha256 else None,
        mask_outcome=mask.outcome if mask else None,
        mask_area=mask.area if mask else None,
        superseded=[scored(image, rows, works) for image in firsts if image is not first],
        attempts=[scored(image, rows, works) for image in mine if image.stage == "regenerated"],
        published=_released(prompt, release, rows, scored(release.image, rows, works), campaign) if release else None,
        ended=[_ended(prompt, one, replaced=release is not None) for one in rows.ended.get(prompt.id, ())],
    )


def _released(prompt: Prompt, release: Release, rows: BatchRows, image: Scored, campaign: str) -> Released:
    terms = _terms(release, rows)
    return Released(
        prompt=prompt.text,
        image=image,
        terms=terms,
        why=why_not(rows.verdicts.standing(release.image, release)) if terms in ("unjudged", "withdraw") else None,
        next_step=_next_step(terms, release.image, campaign),
        released_at=release.released_at,
    )


def _next_step(terms: ReleaseTerms, image: Image, campaign: str) -> str | None:
    """What to do about a published image; None for one that passed and is as asked."""
    review = f"twig review {image.sha256[:12]} --campaign {campaign} --who WHO --why WHY"
    match terms:
        case "withdraw":
            return f"`twig run --campaign {campaign}` withdraws it"
        case "unjudged":
            return f"`twig run --campaign {campaign}` judges it"
        case "cannot_tell":
            return f"look at it; `{review} --against` takes it back"
        case "waived":
            return f"nothing, unless the decision was wrong: `{review} --lift` takes it back"
        case "as_asked":
            return None


def _ended(prompt: Prompt, release: Release, replaced: bool) -> Ended:
    assert release.withdrawn_at is not None
    return Ended(
        prompt=prompt.text,
        image_sha256=release.image.sha256,
        released_at=release.released_at,
        withdrawn_at=release.withdrawn_at,
        reason=release.reason or "no reason was noted",
        replaced=replaced,
    )


def _terms(release: Release, rows: BatchRows) -> ReleaseTerms:
    standing = rows.verdicts.standing(release.image, release)
    return release_terms(rows.published_state(release), standing.decision, standing.adherence)
