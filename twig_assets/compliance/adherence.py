"""Whether the images of a campaign show their prompts: judged once, kept like audits, judged again by stored scores."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from twig_assets.campaign import Campaign
from twig_assets.campaign.protected_terms import terms_of
from twig_assets.campaign.rules_in_force import Rules, rules_in_force
from twig_assets.catalog.among import among
from twig_assets.catalog.database import Catalog
from twig_assets.catalog.models import Adherence, Image, JudgeCalibration, Model, Prompt, PromptBatch
from twig_assets.catalog.store import ArtifactStore
from twig_assets.compliance.candidates import judged_in_force
from twig_assets.judge.calibration import shipped_calibration
from twig_assets.judge.shown import Shown
from twig_assets.judge.unjudged import Unjudged
from twig_assets.judge.verdict import adherence_verdict
from twig_assets.judge.vocabulary import Asked
from twig_assets.prompts import find_protected, rewritten

CHUNK = 64
# Fewer plain draws say too little about where a threshold should lie.
LEAST_DRAWS = 24


def judge_images(
    campaign: Campaign,
    catalog: Catalog,
    store: ArtifactStore,
    which: ColumnElement[bool],
    run_id: str,
    open_judge: Callable[[], Any],
) -> int:
    """Give a verdict by the judge and threshold in force to every image that has none, and return how many got one.

    An image is compared once; when the threshold changes, its stored scores are judged again. A prompt that names a
    protected concept asks for that concept's anchor, since that is what the campaign wants drawn in its place.

    Args:
        campaign: The campaign whose judge and policy are used.
        catalog: Holds the images; the verdicts go there.
        store: Holds the files of the images.
        which: A condition on `Image` and `Prompt`: the images to judge.
        run_id: The Dagster run that judges.
        open_judge: Opens the campaign's judge; called only if an image has not been compared yet.

    Raises:
        NotMaterializedError: If no model serves the campaign.
    """
    with catalog.session() as session:
        model, rules = rules_in_force(session, campaign)
        new = _uncompared(session, which, model, rules)
    compared = _compared(campaign, store, new, open_judge) if new else {}
    with catalog.session() as session:
        _calibrate(session, campaign, model, rules, compared)
        rules = rules_in_force(session, campaign)[1]
        # Another run may have been faster with some of them.
        fresh = {image.id for image, _ in _uncompared(session, which, model, rules)} & compared.keys()
        rows = [_row(image_id, compared[image_id], rules, run_id) for image_id in sorted(fresh)]
        session.add_all(rows)
        session.flush()
        left = session.scalars(
            select(Image.id).join(Prompt).where(which, Image.model_id == model.id, ~_has_verdict(rules))
        ).all()
        return len(rows) + len(rejudge_adherence(session, left, rules, run_id))


def rejudge_adherence(session: Session, image_ids: Iterable[int], rules: Rules, run_id: str) -> list[Adherence]:
    """Write a verdict under the threshold in force for every image that the judge in force has compared before.

    Args:
        session: An open session.
        image_ids: Images without a verdict by the judge and threshold in force.
        rules: The rules in force.
        run_id: The author of the new rows: a Dagster run's id, or a sensor's name.

    Returns:
        The new rows; images that the judge has not seen have none.
    """
    earlier = session.scalars(
        select(Adherence)
        .where(among(Adherence.image_id, image_ids), Adherence.judge_sha256 == rules.judge_sha256)
        .order_by(Adherence.id)
    )
    newest = {verdict.image_id: verdict for verdict in earlier}
    rows = [_row(image_id, Shown.of_scores(v.scores), rules, run_id) for image_id, v in newest.items()]
    session.add_all(rows)
    session.flush()
    return rows


def _row(image_id: int, shown: Shown, rules: Rules, run_id: str) -> Adherence:
    return Adherence(
        image_id=image_id,
        judge_sha256=rules.judge_sha256,
        verdict=adherence_verdict(shown.margin, rules.threshold),
        reason=_reason(shown, rules.threshold),
        score=shown.margin,
        threshold=rules.threshold,
        subject=" and ".join(shown.asked.subjects) or None,
        taken_for=shown.taken_for,
        scores=shown.as_scores(),
        run_id=run_id,
    )


def _reason(shown: Shown, threshold: float | None) -> str:
    if shown.margin is None:
        return f"cannot tell: {shown.asked.reason}"
    if threshold is None:
        return (
            f"cannot tell: the judge needs {LEAST_DRAWS} plain draws of prompts that it knows, and has to take most of "
            f"them for what was asked for, to find its threshold"
        )
    taken = "" if shown.taken_for in shown.asked.subjects else f", looks more like {shown.taken_for}"
    beside = "below" if shown.margin < threshold else "at least"
    return f"asked for {' and '.join(shown.asked.subjects)}{taken}: {shown.margin:+.3f}, {beside} {threshold:+.3f}"


def _has_verdict(rules: Rules) -> ColumnElement[bool]:
    return select(Adherence.id).where(Adherence.image_id == Image.id, judged_in_force(rules)).exists()


def _uncompared(session: Session, which: ColumnElement[bool], model: Model, rules: Rules) -> list[tuple[Image, Prompt]]:
    """The images of the model that serves which the judge in force has not compared yet, with their prompts."""
    known = select(Adherence.id).where(Adherence.image_id == Image.id, Adherence.judge_sha256 == rules.judge_sha256)
    rows = session.execute(
        select(Image, Prompt).join(Prompt).where(which, Image.model_id == model.id, ~known.exists()).order_by(Image.id)
    )
    return [(image, prompt) for image, prompt in rows]


def _compared(
    campaign: Campaign, store: ArtifactStore, images: Sequence[tuple[Image, Prompt]], open_judge: Callable[[], Any]
) -> dict[int, Shown]:
    """Image id -> how it compares with what its prompt asks for."""
    if campaign.chosen_judge.nobody:
        nobody = Shown(Asked((), f"unjudged: {Unjudged().reason} in campaign.yaml"))
        return {image.id: nobody for image, _ in images}
    judge, terms = open_judge(), terms_of(campaign)
    compared: dict[int, Shown] = {}
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        texts = [
            rewritten(prompt.text, find_protected(prompt.text, terms, campaign.prompt_check.typing_errors))
            for _, prompt in chunk
        ]
        shown = judge.shown([store.read_image(image.sha256) for image, _ in chunk], texts)
        compared |= {image.id: s for (image, _), s in zip(chunk, shown, strict=True)}
    return compared


def _calibrate(session: Session, campaign: Campaign, model: Model, rules: Rules, new: dict[int, Shown]) -> None:
    """Keep what a threshold is read from, once there is enough of it: the shipped margins, or those of plain draws.

    Plain draws are the first images of the campaign's prompts, from the model that serves.
    """
    known = select(JudgeCalibration.id).where(
        JudgeCalibration.judge_sha256 == rules.judge_sha256, JudgeCalibration.base_sha256 == model.base_sha256
    )
    if campaign.chosen_judge.nobody or session.scalars(known).first() is not None:
        return
    shipped = shipped_calibration()
    if (shipped.judge_sha256, shipped.base_sha256) == (rules.judge_sha256, model.base_sha256):
        margins, source = shipped.margins, shipped.source
    else:
        margins = _margins_of_plain_draws(session, campaign, model, rules, new)
        source = f"{len(margins)} first images of the campaign {campaign.name!r}"
    if len(margins) >= LEAST_DRAWS:
        session.add(
            JudgeCalibration(
                judge_sha256=rules.judge_sha256, base_sha256=model.base_sha256, margins=margins, source=source
            )
        )
        session.flush()


def _margins_of_plain_draws(
    session: Session, campaign: Campaign, model: Model, rules: Rules, new: dict[int, Shown]
) -> list[float]:
    plain = (
        select(Image.id)
        .join(Prompt)
        .join(PromptBatch)
        .where(
            PromptBatch.campaign == campaign.name,
            Image.model_id == model.id,
            Image.stage == "generated",
            Image.attempt == 0,
            Image.settings_sha256 == rules.generated,
        )
    )
    earlier = session.execute(
        select(Adherence.image_id, Adherence.score)
        .where(Adherence.judge_sha256 == rules.judge_sha256, Adherence.image_id.in_(plain))
        .order_by(Adherence.id)
    )
    scores = {image_id: score for image_id, score in earlier}
    scores |= {image_id: new[image_id].margin for image_id in session.scalars(plain) if image_id in new}
    return [round(margin, 5) for _, margin in sorted(scores.items()) if margin is not None]
